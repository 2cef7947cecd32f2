"""`ingest classes`, `list`, `relabel` and `remove`: payload operations, nothing is embedded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holotype.errors import HolotypeError, UsageError
from holotype.labels import known_label
from holotype.references import Where

if TYPE_CHECKING:
    from holotype.access import AnyStore
    from holotype.history import Action


@dataclass(frozen=True, slots=True)
class ChangeCount:
    """What a relabelling or removal came to."""

    count: int
    """References that were changed."""
    missing: list[str] = field(default_factory=list)
    """Ids that are not in the gallery."""


def relabel(
    store: AnyStore,
    to: str,
    *,
    ids: Sequence[str] = (),
    from_label: str | None = None,
    action: Action | None = None,
) -> ChangeCount:
    """Give the label `to` to these ids, or to the class `from_label`.

    Raises:
        HolotypeError: there is nothing to relabel.
    """
    if from_label is not None:
        chosen = of_class(store, from_label)
        if chosen == Where.equal("label", to):
            raise UsageError(f"--from and --to are the same label {to!r}")
        return ChangeCount(store.relabel(to, where=chosen, action=action))
    present, missing = _present(store, ids)
    return ChangeCount(store.relabel(to, ids=present, action=action), missing)


def remove(
    store: AnyStore,
    *,
    ids: Sequence[str] = (),
    label: str | None = None,
    action: Action | None = None,
) -> ChangeCount:
    """Remove these ids, or the class `label`.

    Raises:
        HolotypeError: there is nothing to remove.
    """
    if label is not None:
        return ChangeCount(store.remove(where=of_class(store, label), action=action))
    present, missing = _present(store, ids)
    return ChangeCount(store.remove(ids=present, action=action), missing)


def count_chosen(store: AnyStore, *, ids: Sequence[str] = (), label: str | None = None) -> int:
    """How many references `remove` would remove.

    Raises:
        HolotypeError: there is nothing to remove.
    """
    if label is not None:
        return store.count(where=of_class(store, label))
    return len(_present(store, ids)[0])


def of_class(store: AnyStore, label: str) -> Where:
    """References of a class, also where an earlier version stored its label in another spelling.

    Raises:
        HolotypeError: no label is that in any spelling.
    """
    found = known_label(label, store.counts(), gallery=store.gallery)
    return Where.equal("label", *found)


def _present(store: AnyStore, ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Ids that are in the gallery, and ids that are not."""
    labels = store.existing(ids)
    present = [id_ for id_ in dict.fromkeys(ids) if id_ in labels]
    if not present:
        raise HolotypeError(f"none of these ids is in gallery {store.gallery!r}")
    return present, [id_ for id_ in dict.fromkeys(ids) if id_ not in labels]
