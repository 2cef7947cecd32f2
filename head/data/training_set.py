"""What a head is trained from: every reference of the gallery, exported once into arrays.

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
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


def export_training_set(
    store: VectorStore,
    *,
    allocate: Callable[[int, int], Vectors] | None = None,
    on_batch: Callable[[float], None] = lambda _: None,
) -> tuple[TrainingSet, GalleryState]:
    """Export the whole gallery; starts again when it moved, a few times.

    Where it never stands still, every reference is taken as it was when its page was read: what
    changed after the state that was read first counts as new to the next run.

    Args:
        store: the gallery.
        allocate: makes an array (rows, columns) of float32 for the vectors; one in memory unless
            given. Called again where an export starts again or finds more than was announced.
        on_batch: called before each batch with the share that was read; what it raises ends the
            export.

    Returns:
        The references, and the gallery as it was before the export.

    Raises:
        TooFewReferences: the gallery is empty or has a single class.
    """

    def export(batches: Iterable[VectorBatch]) -> tuple[TrainingSet, GalleryState]:
        return _export(store, batches, allocate or _in_memory, on_batch)

    for _ in range(ATTEMPTS - 1):
        try:
            return export(store.export())
        except StoreMoved:
            continue
    return export(store.export(changed_until=WHENEVER))


def _in_memory(rows: int, columns: int) -> Vectors:
    return np.empty((rows, columns), dtype=np.float32)


def _export(
    store: VectorStore,
    batches: Iterable[VectorBatch],
    allocate: Callable[[int, int], Vectors],
    on_batch: Callable[[float], None],
) -> tuple[TrainingSet, GalleryState]:
    state = store.state()
    _require_two_classes(store.gallery, state)
    rows = _Rows(state.total, store.fingerprint.dimension, allocate)
    on_batch(0.0)
    for batch in batches:
        rows.add(batch)
        on_batch(min(rows.filled / state.total, 1.0))
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

    def __init__(self, total: int, dimension: int, allocate: Callable[[int, int], Vectors]) -> None:
        self._allocate = allocate
        self._vectors = allocate(total, dimension)
        self._codes, self._groups, self._marks = (np.empty(total, dtype=np.int64) for _ in range(3))
        self._label_codes: dict[str, int] = {}
        self._group_codes: dict[Hashable, int] = {}
        self.filled = 0
        """How many there are by now."""

    def add(self, batch: VectorBatch) -> None:
        start, end = self.filled, self.filled + len(batch)
        if end > len(self._vectors):  # some were added meanwhile
            self._grow(end + end // 8)
        rows = slice(start, end)
        self._vectors[rows] = batch.vectors
        self._codes[rows] = [_code(label, self._label_codes) for label in batch.labels]
        self._groups[rows] = group_numbers(batch.groups, self._group_codes, first=start)
        self._marks[rows] = [mark_of(id_) for id_ in batch.ids]
        self.filled = end

    def _grow(self, total: int) -> None:
        vectors = self._allocate(total, self._vectors.shape[1])
        vectors[: self.filled] = self._vectors[: self.filled]
        self._vectors = vectors
        self._codes, self._groups, self._marks = (
            np.resize(column, total) for column in (self._codes, self._groups, self._marks)
        )

    def finish(self) -> TrainingSet:
        found = slice(self.filled)
        labels = tuple(sorted(self._label_codes))
        place = np.empty(len(labels), dtype=np.int64)
        place[[self._label_codes[label] for label in labels]] = np.arange(len(labels))
        return TrainingSet(
            labels=labels,
            vectors=self._vectors[found],
            codes=place[self._codes[found]],
            groups=np.unique(self._groups[found], return_inverse=True)[1].astype(np.int64),
            marks=self._marks[found],
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


def _code(name: str, codes: dict[str, int]) -> int:
    """Its number; the next free one for a name that comes for the first time."""
    return codes.setdefault(name, len(codes))


def mark_of(reference_id: str) -> int:
    """The first 48 bits of a reference's UUID."""
    return int(reference_id[:8] + reference_id[9:13], 16)
