"""The classes that filters leave, kept between answers."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from classify.answering.knn import Classes
from holotype.errors import StoreError
from holotype.rate_limit import Pace

if TYPE_CHECKING:
    from holotype.references import Where
    from holotype.store.port import VectorStore

KEPT: Final = 64
"""Filters whose classes are kept."""

IN_USE_S: Final = 60.0
"""For so long after somebody asked, a filter's classes are counted again."""

COUNTED_S: Final = 1.0
"""How often that is, at most, where others can write."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Kept:
    found: Classes | StoreError
    """What was counted, or why that failed."""
    state: int
    """Of the gallery before."""
    used_at: float
    """Monotonic seconds."""


class FilterCache:
    """Counts what a filter leaves when it is first asked for, and later in the background.

    Safe for several threads.
    """

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._kept: OrderedDict[Where, _Kept] = OrderedDict()
        self._state = 0
        self._pace = Pace()
        self._counted_at = 0.0

    def classes(self, where: Where, *, of: Classes | None, state: int) -> Classes:
        """What the filter leaves.

        Args:
            where: the filter.
            of: all classes, where they are known: a filter of labels needs no more.
            state: of the gallery now; it differs after every change through the store.

        Raises:
            UnknownFilterKey: the filter names a key that no reference carries.
            StoreError: they cannot be counted.
        """
        if of is not None and all(c.key == "label" for c in where.conditions):
            return Classes.of({k: n for k, n in of.counts.items() if where.admits("label", k)})
        with self._guard:
            kept = self._kept.get(where)
            if kept is not None:
                kept.used_at = time.monotonic()
                self._kept.move_to_end(where)
        if kept is None or (_is_empty(kept) and kept.state != state):
            kept = self._count(where, state)  # "nothing is left" is said of today alone
        if isinstance(kept.found, StoreError):
            raise kept.found
        return kept.found

    @property
    def due_at(self) -> float | None:
        """When they are to be counted again (monotonic seconds); None: never."""
        with self._guard:
            if any(kept.state != self._state for kept in self._kept.values()):
                return self._pace.due_at
            others = self._store.shared and self._kept
            return max(self._pace.due_at, self._counted_at + COUNTED_S) if others else None

    def recount(self, *, state: int) -> None:
        """Count again what may have changed, where it is in use and if it is time."""
        self._state = state
        now = time.monotonic()
        with self._guard:
            for where in [w for w, kept in self._kept.items() if now - kept.used_at > IN_USE_S]:
                del self._kept[where]
            others = self._store.shared and now >= self._counted_at + COUNTED_S
            wanted = {w: k.used_at for w, k in self._kept.items() if others or k.state != state}
        if not wanted or not self._pace.due:
            return
        with self._pace.timed():
            for where, used_at in wanted.items():
                self._count(where, state, used_at=used_at)
        self._counted_at = time.monotonic()

    def _count(self, where: Where, state: int, *, used_at: float | None = None) -> _Kept:
        found: Classes | StoreError
        try:
            found = Classes.of(self._store.counts("label", where=where))
        except StoreError as error:
            _log.warning("the classes under a filter cannot be counted: %s", error)
            found = error
        kept = _Kept(found, state, time.monotonic() if used_at is None else used_at)
        with self._guard:
            self._kept[where] = kept
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return kept


def _is_empty(kept: _Kept) -> bool:
    return isinstance(kept.found, Classes) and not kept.found.labels
