"""`ingest classes`, `list`, `relabel` and `remove`: payload operations, nothing is embedded."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holotype.errors import HolotypeError
from holotype.references import Where

if TYPE_CHECKING:
    from holotype.gallery import Gallery


@dataclass(frozen=True, slots=True)
class Changed:
    """What a relabelling or removal came to."""

    count: int
    """References that were changed."""
    missing: list[str] = field(default_factory=list)
    """Ids that are not in the gallery."""


def relabel(
    store: Gallery, to: str, *, ids: Sequence[str] = (), from_label: str | None = None
) -> Changed:
    """Give the label `to` to these ids, or to the class `from_label`.

    Raises:
        HolotypeError: there is nothing to relabel.
    """
    present, missing = _present(store, ids, from_label)
    if from_label is not None:
        return Changed(store.relabel(to, where=Where.equal("label", from_label)))
    return Changed(store.relabel(to, ids=present), missing)


def remove(store: Gallery, *, ids: Sequence[str] = (), label: str | None = None) -> Changed:
    """Remove these ids, or the class `label`.

    Raises:
        HolotypeError: there is nothing to remove.
    """
    present, missing = _present(store, ids, label)
    if label is not None:
        return Changed(store.remove(where=Where.equal("label", label)))
    return Changed(store.remove(ids=present), missing)


def count_chosen(store: Gallery, *, ids: Sequence[str] = (), label: str | None = None) -> int:
    """How many references `remove` would remove.

    Raises:
        HolotypeError: there is nothing to remove.
    """
    present, _ = _present(store, ids, label)
    return len(present) if label is None else store.count(where=Where.equal("label", label))


def _present(store: Gallery, ids: Sequence[str], label: str | None) -> tuple[list[str], list[str]]:
    """Ids that are in the gallery, and ids that are not; a class is only checked to exist."""
    if label is not None:
        classes = store.counts()
        if label not in classes:
            near = difflib.get_close_matches(label, classes, n=3) or list(classes)[:10]
            raise HolotypeError(
                f"no reference of gallery {store.gallery!r} has the label {label!r}: "
                f"it has {', '.join(near) or 'none'} (`ingest classes` lists all)"
            )
        return [], []
    labels = store.existing(ids)
    present = [id_ for id_ in dict.fromkeys(ids) if id_ in labels]
    if not present:
        raise HolotypeError(f"none of these ids is in gallery {store.gallery!r}")
    return present, [id_ for id_ in dict.fromkeys(ids) if id_ not in labels]
