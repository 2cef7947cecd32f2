"""References per label, kept in memory: counted once, then moved by this process's own writes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


class KnownCounts:
    """What a store knows of its classes without asking its engine. Safe for several threads.

    A count that runs beside a write of this process may have seen it or not: labels that were
    moved meanwhile keep what is known of them, until the next count.
    """

    def __init__(self, count: Callable[[], dict[str, int]]) -> None:
        """Nothing is counted yet.

        Args:
            count: asks the engine.
        """
        self._count = count
        self._guard = threading.Lock()
        self._known: Counter[str] | None = None
        self._moving: list[frozenset[str]] = []
        """Labels of the writes that are under way."""
        self._counting: list[set[str]] = []
        """Of every count that runs, the labels that were moved beside it."""
        self.asked = False
        """Whether anybody wants to know; until then writes need not tell."""

    def read(self) -> dict[str, int]:
        """What is known; counted the first time, and after a write that failed."""
        self.asked = True
        with self._guard:
            if self._known is not None:
                return dict(self._known)
        return self.recount()

    def recount(self) -> dict[str, int]:
        """Count, and know what others wrote meanwhile."""
        with self._guard:
            moved: set[str] = set().union(*self._moving)
            self._counting.append(moved)
        try:
            found = self._count()
        except BaseException:
            with self._guard:
                self._ended(moved)
            raise
        with self._guard:  # both at once: a write between them would be in neither
            self._ended(moved)
            self._known = known = self._with_own(found, moved)
            return dict(known)

    @property
    def total(self) -> int | None:
        """References in all; None where that is not known."""
        with self._guard:
            return None if self._known is None else self._known.total()

    @contextmanager
    def moving(self, before: Iterable[str], after: Iterable[str]) -> Iterator[None]:
        """The block takes away references with these labels and puts others in their place.

        Args:
            before: a label for each reference that is removed, replaced or relabelled.
            after: a label for each that is there afterwards.
        """
        gone, come = Counter(before), Counter(after)
        labels = frozenset(gone) | frozenset(come)
        with self._guard:
            self._moving.append(labels)
            for moved in self._counting:
                moved |= labels
        try:
            yield
        except BaseException:  # whatever it was: what became of the write is not known
            with self._guard:
                self._known = None
            raise
        else:
            with self._guard:
                if self._known is not None:
                    self._known = (self._known + come) - gone
        finally:
            with self._guard:
                self._moving.remove(labels)

    def _ended(self, moved: set[str]) -> None:
        self._counting = [other for other in self._counting if other is not moved]

    def _with_own(self, found: dict[str, int], moved: set[str]) -> Counter[str]:
        if self._known is None:  # what is being added is named, until the next count
            own = {label: max(1, found.get(label, 0)) for label in moved}
        else:
            own = {label: n for label, n in self._known.items() if label in moved}
        rest = {label: n for label, n in found.items() if label not in moved}
        return Counter({**rest, **own})
