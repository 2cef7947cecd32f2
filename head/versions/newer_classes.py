"""Classes that a head was not trained on: their means, read from a store that does not stand still.

A whole class is read once, a little at a time where it is large: ids are hashes, so what was
read so far is a random sample, whose mean serves meanwhile. After that only what changed since
is read and added. References that left a class cannot be seen that way, but its count can: a
sum that holds another number of references is made anew, though not often
(`holotype.rate_limit`). Nothing here fails because somebody writes.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from head.trust.flats import spanned
from head.versions.class_means import FEW, NewClass
from holotype.errors import StoreError
from holotype.rate_limit import Pace
from holotype.references import Floats, VectorBatch, Vectors, Where

if TYPE_CHECKING:
    from head.fit.features import FeatureMap
    from head.versions.head import Head
    from holotype.store.port import VectorStore


@dataclass(slots=True, eq=False)
class _Sum:
    """Of a class's vectors, after the feature map."""

    total: Floats
    """(D,)."""
    count: int = 0
    flat: Vectors | None = None
    """What the first few span."""
    _few: list[Floats] = field(default_factory=list)

    def add(self, mapped: Floats) -> None:
        """Rows of (N, D)."""
        self.total += mapped.sum(axis=0, dtype=np.float64)
        self.count += len(mapped)
        if more := [*mapped[: FEW - len(self._few)]]:
            self._few += more
            self.flat = spanned(np.stack(self._few))


@dataclass(slots=True, eq=False)
class _Pass:
    """One reading of a whole class, as it was at a time."""

    batches: Iterator[VectorBatch]
    until: int
    """The last `changed_at` that it sees."""
    sum: _Sum


class NewerClasses:
    """Reads the means of classes. For one thread at a time."""

    def __init__(self, store: VectorStore, head: Head) -> None:
        """Read for heads with the features of this one."""
        self.features: FeatureMap = head.features
        self._dimension = head.dimension
        self._store = store
        self._sums: dict[str, _Sum] = {}
        """Of classes that were read to the end, as they were at `_until`."""
        self._until = 0
        self._passes: dict[str, _Pass] = {}
        self._wrong: list[str] = []
        """Classes whose sum is of another number of references than they have."""
        self._again = Pace()
        """Of reading those again."""

    def fits(self, head: Head) -> bool:
        """Whether what was read serves this head, too."""
        return (head.features, head.dimension) == (self.features, self._dimension)

    @property
    def due_at(self) -> float | None:
        """When there is more to read (monotonic seconds, past or future); None: nothing."""
        if self._passes:
            return 0.0
        return self._again.due_at if self._wrong else None

    def touched(self, head: Head) -> Mapping[str, int]:
        """References per label that were added or changed since a head was trained.

        Raises:
            StoreError: the store cannot be read.
        """
        since = head.trained_until
        if since is None or self._store.last_change() <= since:
            return {}
        return self._store.counts(changed_after=since)

    def read(self, counts: Mapping[str, int], *, seconds: float) -> list[NewClass]:
        """What is known of these classes.

        Args:
            counts: references of each class, as they are known to be.
            seconds: how long whole classes may be read in this call.

        Raises:
            StoreError: the store cannot be read; the next call goes on where this one was.
        """
        began = time.monotonic()
        self._sums = {label: s for label, s in self._sums.items() if label in counts}
        self._passes = {label: p for label, p in self._passes.items() if label in counts}
        self._follow()
        self._wrong = [label for label, s in self._sums.items() if s.count != counts[label]]
        self._begin([label for label in counts if label not in self._sums])
        if self._wrong and self._again.due:
            with self._again.timed():
                self._begin(self._wrong)
                self._go_on(began + seconds)
            self._wrong = []
        self._go_on(began + seconds)
        return [
            NewClass(label, mean=known.total / known.count, count=count, flat=known.flat)
            for label, count in sorted(counts.items())
            if (known := self._known(label)) is not None and known.count
        ]

    def _known(self, label: str) -> _Sum | None:
        if label in self._sums:
            return self._sums[label]
        reading = self._passes.get(label)
        return None if reading is None else reading.sum

    def _follow(self) -> None:
        """Add what changed since the last time."""
        until = max(self._until, self._store.last_change())
        if self._sums and until > self._until:
            self._add_changes(self._sums, after=self._until, until=until)
        self._until = until

    def _add_changes(self, labels: Collection[str], *, after: int, until: int) -> None:
        where = Where.equal("label", *labels)
        changed: dict[str, list[Floats]] = {}
        for batch in self._store.export(where=where, changed_after=after, changed_until=until):
            for label, row in zip(batch.labels, self._mapped(batch), strict=True):
                changed.setdefault(label, []).append(row)
        for label, rows in changed.items():  # all or nothing: reading may fail half-way
            if label in self._sums:
                self._sums[label].add(np.stack(rows))

    def _begin(self, labels: Sequence[str]) -> None:
        """Read these classes from the start, but for those that are being read."""
        for label in labels:
            if label not in self._passes:
                batches = self._store.export(
                    where=Where.equal("label", label), changed_until=self._until
                )
                empty = _Sum(np.zeros(self._dimension))
                self._passes[label] = _Pass(batches, self._until, empty)

    def _go_on(self, deadline: float) -> None:
        """Read a batch of each class in turn, until all are read or the time is over."""
        while self._passes and time.monotonic() < deadline:
            for label, reading in list(self._passes.items()):
                try:
                    batch = next(reading.batches, None)
                except StoreError:
                    del self._passes[label]  # it would seem to be at its end next time
                    raise
                if batch is not None:
                    reading.sum.add(self._mapped(batch))
                    continue
                del self._passes[label]
                self._sums[label] = reading.sum
                if reading.until < self._until:
                    self._add_changes([label], after=reading.until, until=self._until)

    def _mapped(self, batch: VectorBatch) -> Floats:
        return np.asarray(self.features.of(batch.vectors), dtype=np.float64)
