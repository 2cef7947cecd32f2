"""A store whose searches are timed, so that a classification can be split into its steps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from holotype.references import EVERYTHING, Neighbour, Reference, Vectors, Where

if TYPE_CHECKING:
    from holotype.store.port import VectorStore


class TimedSearch:
    """Passes everything on to a store, and adds up the seconds that its searches take.

    Reading the references that were found is a part of searching.

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
        with self._timed():
            return self._store.neighbours(vectors, k=k, where=where, with_vectors=with_vectors)

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """See `VectorStore.get`."""
        with self._timed():
            return self._store.get(ids)

    def spent(self) -> float:
        """Seconds of searching since the last time this was asked."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds += time.perf_counter() - started
