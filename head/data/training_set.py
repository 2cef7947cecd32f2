"""What a head is trained from: every reference of the gallery, exported once into arrays.

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from holotype.errors import StoreMoved, TooFewReferences
from holotype.references import Codes, VectorBatch, Vectors
from holotype.store.port import WHENEVER, GalleryState

if TYPE_CHECKING:
    from holotype.store.port import VectorStore


ATTEMPTS = 3
"""How often an export starts again when references change under it."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """References as arrays: row i of each belongs to one reference, in id order."""

    labels: tuple[str, ...]
    """The C labels, sorted."""
    vectors: Vectors
    """(N, D) float32, unit rows."""
    codes: Codes
    """(N,) index into `labels`."""
    groups: Codes
    """(N,) equal numbers mark references that are not independent."""
    marks: Codes
    """(N,) the first 48 bits of the id: names a reference in `head.data.held_out`."""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def counts(self) -> Codes:
        """(C,) references per class."""
        return np.bincount(self.codes, minlength=len(self.labels))

    def rows(self, chosen: Codes) -> TrainingSet:
        """The set of these rows alone, with all labels."""
        return TrainingSet(
            labels=self.labels,
            vectors=self.vectors[chosen],
            codes=self.codes[chosen],
            groups=self.groups[chosen],
            marks=self.marks[chosen],
        )


def export_training_set(store: VectorStore) -> tuple[TrainingSet, GalleryState]:
    """Export the whole gallery; starts again when it moved, a few times.

    Where it never stands still, every reference is taken as it was when its page was read: what
    changed after the state that was read first counts as new to the next run.

    Returns:
        The references, and the gallery as it was before the export.

    Raises:
        TooFewReferences: the gallery is empty or has a single class.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _export(store, store.export())
        except StoreMoved:
            continue
    return _export(store, store.export(changed_until=WHENEVER))


def _export(store: VectorStore, batches: Iterable[VectorBatch]) -> tuple[TrainingSet, GalleryState]:
    state = store.state()
    _require_two_classes(store.gallery, state)
    rows = _Rows(state.total, store.fingerprint.dimension)
    for batch in batches:
        rows.add(batch)
    found = rows.finish()
    if len(found.labels) < 2:
        raise TooFewReferences(
            f"gallery {store.gallery!r} lost its classes while it was exported: run it again"
        )
    return found, state


def _require_two_classes(gallery: str, state: GalleryState) -> None:
    if not state.counts:
        raise TooFewReferences(
            f"gallery {gallery!r} holds no references: add some with `ingest add` first"
        )
    if len(state.counts) == 1:
        (label,) = state.counts
        raise TooFewReferences(
            f"gallery {gallery!r} holds one class only ({label!r}): a head tells classes apart, "
            "so add references of a second one with `ingest add`"
        )


class _Rows:
    """Arrays of the size that the gallery announced, filled page by page."""

    def __init__(self, total: int, dimension: int) -> None:
        self._vectors = np.empty((total, dimension), dtype=np.float32)
        self._labels: list[str] = []
        self._marks: list[int] = []
        self._groups = np.empty(total, dtype=np.int64)
        self._group_codes: dict[Hashable, int] = {}

    def add(self, batch: VectorBatch) -> None:
        start = len(self._labels)
        end = start + len(batch)
        if end > len(self._vectors):  # some were added meanwhile
            more = end + end // 8
            self._vectors = np.resize(self._vectors, (more, self._vectors.shape[1]))
            self._groups = np.resize(self._groups, more)
        self._vectors[start:end] = batch.vectors
        self._groups[start:end] = group_numbers(batch.groups, self._group_codes, first=start)
        self._labels += batch.labels
        self._marks += [mark_of(id_) for id_ in batch.ids]

    def finish(self) -> TrainingSet:
        n = len(self._labels)
        labels = tuple(sorted(set(self._labels)))
        code = {label: i for i, label in enumerate(labels)}
        return TrainingSet(
            labels=labels,
            vectors=self._vectors[:n],
            codes=np.array([code[label] for label in self._labels], dtype=np.int64),
            groups=np.unique(self._groups[:n], return_inverse=True)[1].astype(np.int64),
            marks=np.array(self._marks, dtype=np.int64),
        )


def group_numbers(
    groups: Iterable[Hashable | None], seen: dict[Hashable, int], *, first: int = 0
) -> list[int]:
    """A number for the group of each row from `first` on; who has none gets one of its own.

    Folds depend on them: the same references in the same order are divided the same way.

    Args:
        groups: of these rows.
        seen: the groups of rows before, with their numbers; new ones are added.
        first: number of the first row.
    """
    return [
        -1 - row if group is None else seen.setdefault(group, len(seen))
        for row, group in enumerate(groups, start=first)
    ]


def mark_of(reference_id: str) -> int:
    """The first 48 bits of a reference's UUID."""
    return int(reference_id[:8] + reference_id[9:13], 16)
