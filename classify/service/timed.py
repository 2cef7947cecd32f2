"""A store whose searches are timed, so that a classification can be split into its steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from holotype.references import EVERYTHING, Neighbour, Vectors, Where

if TYPE_CHECKING:
    from holotype.store.port import VectorStore


class TimedSearch:
    """Passes everything on to a store, and adds up the seconds that its searches take.

    For one thread at a time.
    """

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def neighbours(
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]:
        """See `VectorStore.neighbours`."""
        started = time.perf_counter()
        found = self._store.neighbours(vectors, k=k, where=where, with_vectors=with_vectors)
        self._seconds += time.perf_counter() - started
        return found

    def spent(self) -> float:
        """Seconds of searching since the last time this was asked."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds
