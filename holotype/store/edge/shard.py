"""One shard of Qdrant Edge, made safe to use.

Everything that the engine does badly on its own is dealt with here and nowhere else:

- its errors are bare `Exception`; they become `StoreError` with what was being done;
- a process that was forked while the shard was open hangs on its first query and keeps
  the engine's lock; here it gets an error instead;
- calls are taken one at a time (the engine holds the interpreter lock anyway), and
  `guard` lets a caller make several calls one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import qdrant_edge as qe

from holotype.errors import StoreError, StoreLocked
from holotype.store.tally import tally

P = ParamSpec("P")
R = TypeVar("R")

NEVER_KB: Final = 2**40
"""Size from which `optimize` would index a segment: never, until a user asks for it."""

ALWAYS_KB: Final = 1

HNSW: Final = qe.HnswIndexConfig(m=16, ef_construct=128, full_scan_threshold=10_000)
"""Degree and building effort of the graph are Qdrant's usual ones. A filter that leaves less
than 10,000 kB of vectors (6,500 of 384 dimensions, 1 ms) is answered by comparing all."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What vectors a shard holds."""

    name: str
    """For messages: `references` or `heads`."""
    size: int
    distance: qe.Distance

    def config(self, *, index_from_kb: int) -> qe.EdgeConfig:
        """The engine's configuration of such a shard."""
        return qe.EdgeConfig(
            vectors=qe.EdgeVectorParams(size=self.size, distance=self.distance),
            hnsw_config=HNSW,
            optimizers=qe.EdgeOptimizersConfig(indexing_threshold=index_from_kb),
            wal_enabled=True,
        )


class Shard:
    """An open shard."""

    def __init__(self, engine: qe.EdgeShard, name: str) -> None:
        self.guard = threading.RLock()
        self._engine: qe.EdgeShard | None = engine
        self._name = name
        self.unflushed = False
        self._pid = os.getpid()

    @classmethod
    def create(cls, folder: Path, layout: Layout) -> Shard:
        """A new shard in `folder`, which holds none yet."""
        config = layout.config(index_from_kb=NEVER_KB)
        doing = f"create {layout.name}"
        return cls(_translate(doing, qe.EdgeShard.create, str(folder), config), layout.name)

    @classmethod
    def load(cls, folder: Path, layout: Layout, *, index_from_kb: int | None = None) -> Shard:
        """Reopen what `create` made; replays what a killed process had not flushed.

        Args:
            folder: where it was made.
            layout: as it was made.
            index_from_kb: replaces the stored setting.

        Raises:
            StoreLocked: the engine's own lock is held, though ours was not.
        """
        config = None if index_from_kb is None else layout.config(index_from_kb=index_from_kb)
        doing = f"open {layout.name}"
        try:
            return cls(_translate(doing, qe.EdgeShard.load, str(folder), config), layout.name)
        except StoreError as error:
            if "WouldBlock" not in str(error):
                raise
            raise StoreLocked(
                f"the files in {folder} are still held, though nobody has the gallery's lock: by "
                "a process that was forked from one that had them open, or by an owner whose "
                "owner.lock was deleted. End it, then try again",
                owner=None,
            ) from error

    def index(self, key: str, schema: qe.PayloadSchemaType) -> None:
        """Index a payload key, for the points that are there and those to come."""
        self.update(qe.UpdateOperation.create_field_index(key, schema))

    def indexed_keys(self) -> set[str]:
        """Payload keys that have an index."""
        return set(self._info().payload_schema)

    def indexed_vectors(self) -> int:
        """Points whose vectors a search finds through an index."""
        return self._info().indexed_vectors_count

    def build_index(self) -> None:
        """Index every vector. Freezes the whole process until it is done, for minutes."""
        with self.guard:
            _translate(f"index {self._name}", self._open().optimize)

    def update(self, operation: qe.UpdateOperation) -> None:
        """Apply one operation. It is logged, and on the disk after the next `flush`."""
        with self.guard:
            engine = self._open()
            self.unflushed = True
            _translate(f"write to {self._name}", engine.update, operation)

    def flush(self) -> None:
        """Bring every write so far to the disk."""
        with self.guard:
            _translate(f"flush {self._name}", self._open().flush)
            self.unflushed = False

    def query(self, requests: Sequence[qe.QueryRequest]) -> list[list[qe.ScoredPoint]]:
        """Answers to several queries in one pass, in order."""
        with self.guard:
            batch = qe.QueryBatchRequest(list(requests))
            return _translate(f"search {self._name}", self._open().query_batch, batch)

    def scroll(self, request: qe.ScrollRequest) -> tuple[list[qe.Record], str | None]:
        """A page of records in id order (or as ordered), and the id that comes next."""
        with self.guard:
            records, following = _translate(f"read {self._name}", self._open().scroll, request)
            return records, None if following is None else str(following)

    def retrieve(
        self,
        ids: Sequence[str],
        *,
        payload: bool | qe.PayloadSelector = False,
        vectors: bool = False,
    ) -> dict[str, qe.Record]:
        """Those of `ids` that are there."""
        with self.guard:
            engine = self._open()
            found = _translate(f"read {self._name}", engine.retrieve, list(ids), payload, vectors)
            return {str(record.id): record for record in found}

    def count(self, matching: qe.Filter | None = None) -> int:
        """Exact number of points that match."""
        with self.guard:
            request = qe.CountRequest(exact=True, filter=matching)
            return _translate(f"count {self._name}", self._open().count, request)

    def facet(self, key: str, matching: qe.Filter | None = None) -> dict[str, int]:
        """Exact number of matching points per value of an indexed keyword (see `tally`)."""
        with self.guard:
            limit = max(1, self.count(matching))  # there are never more values than points
            request = qe.FacetRequest(key, limit=limit, exact=True, filter=matching)
            hits = _translate(f"count {self._name}", self._open().facet, request).hits
            return tally(hits)

    def close(self) -> None:
        """Flush what is not yet, and let go. Twice is fine; in a forked child it does nothing."""
        with self.guard:
            engine = self._engine
            if engine is None or os.getpid() != self._pid:
                return
            try:
                if self.unflushed:
                    self.flush()
            finally:
                self._engine = None
                _translate(f"close {self._name}", engine.close)

    def _info(self) -> qe.ShardInfo:
        with self.guard:
            return _translate(f"inspect {self._name}", self._open().info)

    def _open(self) -> qe.EdgeShard:
        if os.getpid() != self._pid:
            raise StoreError(
                f"the embedded store was opened by process {self._pid} and cannot be used in "
                f"process {os.getpid()}, which was forked from it: start workers with "
                "`spawn`, or open the store after them"
            )
        if self._engine is None:
            raise StoreError("the embedded store is closed: open it again")
        return self._engine


def _translate(doing: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the engine; its errors become `StoreError`.

    The one place where `Exception` is caught: the engine raises exactly that class for
    everything (a full disk, a damaged file, a refused operation), so nothing narrower can
    be named. Its subclasses are mistakes of ours and pass through.
    """
    try:
        return call(*args, **kwargs)
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise StoreError(f"cannot {doing} in the embedded store: {error}") from error
