"""Which head versions there are, which one answers, and how that is changed.

The active head is one small pointer in the store, moved by one write: a reader sees the
old head or the new one, never a mixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from head.versions.head import Head
from holotype.errors import HeadError, NoActiveHead, UnknownHead
from holotype.heads import ActiveHead, HeadRecord
from holotype.history import Action

if TYPE_CHECKING:
    from holotype.access import AnyStore
    from holotype.store.port import VectorStore

HISTORY = 10
"""Earlier active versions that the pointer remembers, so that rollback can walk back."""


def active(store: VectorStore) -> Head | None:
    """The head that answers; None before the first retrain."""
    pointer = store.active_head()
    return None if pointer is None else load(store, pointer.version)


def load(store: VectorStore, version: str) -> Head:
    """A head version with its numbers.

    Raises:
        UnknownHead: no such version, or its write was torn.
        HeadError: its numbers do not fit its record.
    """
    return Head.from_stored(store.load_head(version))


def record_of(store: AnyStore, version: str) -> HeadRecord:
    """What is known of a version without its numbers.

    Raises:
        UnknownHead: no such version.
    """
    for record in store.heads():
        if record.version == version:
            return record
    raise UnknownHead(
        f"gallery {store.gallery!r} has no head {version!r}: `retrain list` shows those there are"
    )


def promote(store: VectorStore, version: str, *, action: Action | None = None) -> ActiveHead:
    """Make a version active, a held one too: asking for it by name is the decision.

    Raises:
        UnknownHead: no such version.
    """
    record_of(store, version)
    pointer = store.active_head()
    history = () if pointer is None else pointer.history
    if pointer is not None and pointer.version != version:
        history = (*history, pointer.version)
    moved = ActiveHead(version, history[-HISTORY:], newest=store.heads()[-1].version)
    if moved != pointer:
        store.set_active_head(moved, action=action)
    return moved


def rollback(store: VectorStore, *, action: Action | None = None) -> ActiveHead:
    """Go back to the version that was active before; versions since removed are skipped.

    Raises:
        NoActiveHead: nothing was trained yet.
        HeadError: there is no earlier version.
    """
    pointer = store.active_head()
    if pointer is None:
        raise NoActiveHead(f"gallery {store.gallery!r} has no trained head: run `retrain`")
    there = [record.version for record in store.heads()]
    earlier = [version for version in pointer.history if version in there]
    if not earlier:
        raise HeadError(
            f"head {pointer.version} has no earlier version to go back to: "
            "`retrain list` shows what can be promoted"
        )
    moved = ActiveHead(earlier[-1], tuple(earlier[:-1]), newest=there[-1])
    store.set_active_head(moved, action=action or Action.new("rollback"))
    return moved
