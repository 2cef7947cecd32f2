"""The gallery as arrays, for evaluations that need no images.

Shapes: N references, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.evaluation.predictions import codes_of
from head.data.duplicates import join_near_duplicates
from holotype.errors import StoreMoved
from holotype.references import EVERYTHING, Codes, VectorBatch, Vectors, Where
from holotype.store.port import WHENEVER

if TYPE_CHECKING:
    from holotype.store.port import VectorStore

ATTEMPTS = 3
"""How often an export starts again when references change under it."""


@dataclass(frozen=True, slots=True, eq=False)
class GalleryArrays:
    """Row i of every array is one reference, in id order."""

    ids: list[str]
    labels: tuple[str, ...]
    """C classes, sorted."""
    classes: Codes
    """(N,) into `labels`."""
    groups: Codes
    """(N,) as they were given; a reference without a group has a number of its own."""
    independent: Codes
    """(N,) groups joined by near-duplicates (`head.data.duplicates`)."""
    vectors: Vectors
    """(N, D) float32, unit rows."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def answerable(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(N,) whether another, independent reference of the same class exists."""
        pairs = np.unique(np.stack([self.classes, self.independent]), axis=1)
        return np.bincount(pairs[0], minlength=len(self.labels))[self.classes] > 1


def export_gallery(
    store: VectorStore, *, where: Where = EVERYTHING, near_duplicate: float
) -> GalleryArrays:
    """All references that the filter leaves.

    Where the gallery does not stand still for any of a few exports, each is as it was when it
    was read.
    """
    batches = _steady(store, where) or list(store.export(where=where, changed_until=WHENEVER))
    labels = [label for batch in batches for label in batch.labels]
    names = tuple(sorted(set(labels)))
    groups = _groups([group for batch in batches for group in batch.groups])
    classes = codes_of(labels, names)
    D = store.fingerprint.dimension
    vectors = np.concatenate([batch.vectors for batch in batches] or [np.zeros((0, D), np.float32)])
    return GalleryArrays(
        ids=[id_ for batch in batches for id_ in batch.ids],
        labels=names,
        classes=classes,
        groups=groups,
        independent=join_near_duplicates(vectors, classes, groups, threshold=near_duplicate),
        vectors=vectors,
    )


def _steady(store: VectorStore, where: Where) -> list[VectorBatch] | None:
    for _ in range(ATTEMPTS):
        try:
            return list(store.export(where=where))
        except StoreMoved:
            continue
    return None


def _groups(given: Sequence[str | None]) -> Codes:
    """(N,) numbers from 0, one a group; a reference without a group is one of its own."""
    seen: dict[str, int] = {}
    numbers = [
        len(given) + i if group is None else seen.setdefault(group, len(seen))
        for i, group in enumerate(given)
    ]
    return np.unique(np.array(numbers, dtype=np.int64), return_inverse=True)[1]
