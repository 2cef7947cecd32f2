"""One shard of Qdrant Edge, made safe to use.

Everything that the engine does badly on its own is dealt with here and nowhere else:

- its errors are bare `Exception`; they become `StoreError` with what was being done;
- a process that was forked while the shard was open hangs on its first query and keeps
  the engine's lock; here it gets an error instead;
- calls are taken one at a time (the engine holds the interpreter lock anyway), and
  `guard` lets a caller make several calls one;
- a flush holds the interpreter for 80 ms, so a write is made durable by its log alone
  (`log`), outside of `guard`: answers go on meanwhile. The flush comes in a quiet moment
  (`quiet`), when the log has grown, and at the close;
- it opens files that were cut short without a word, so what must be there is written down
  (`ledger`);
- a full disk kills the process, so room is made sure of first (`log`, `room`);
- what it calls a panic is no `Exception`, and is printed on standard error.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import qdrant_edge as qe

from holotype.errors import DiskFull, StoreDamaged, StoreError, StoreLocked
from holotype.store.edge.checksums import REMEDY, Ledger
from holotype.store.edge.engine_panics import is_panic, unprinted
from holotype.store.edge.write_ahead_log import Log
from holotype.store.facet_counts import tally

P = ParamSpec("P")
R = TypeVar("R")

NEVER_KB: Final = 2**40
"""Size from which `optimize` would index a segment: never, until a user asks for it."""

ALWAYS_KB: Final = 1

HNSW: Final = qe.HnswIndexConfig(m=16, ef_construct=128, full_scan_threshold=10_000)
"""Degree and building effort of the graph are Qdrant's usual ones. A filter that leaves less
than 10,000 kB of vectors (6,500 of 384 dimensions, 1 ms) is answered by comparing all."""


LOG_BYTES: Final = 64 << 20
"""Log since the last flush that makes the next one due: 1 s of reading after a crash."""


@dataclass(frozen=True, slots=True)
class ShardLayout:
    """What vectors a shard holds."""

    name: str
    """For messages: `references` or `heads`."""
    size: int
    distance: qe.Distance
    key: str
    """An indexed payload key that every point has."""

    def config(self, *, index_from_kb: int) -> qe.EdgeConfig:
        """The engine's configuration of such a shard."""
        return qe.EdgeConfig(
            vectors=qe.EdgeVectorParams(size=self.size, distance=self.distance),
            hnsw_config=HNSW,
            optimizers=qe.EdgeOptimizersConfig(indexing_threshold=index_from_kb),
            wal_enabled=True,
        )


REFERENCES: Final = "references"
HEADS: Final = "heads"


class Shard:
    """An open shard.

    `writing` is how it is changed. Whoever changes it holds `writes` until that is durable, and
    `guard` only while the engine is at work.
    """

    def __init__(self, engine: qe.EdgeShard, folder: Path, name: str) -> None:
        """Take over an engine that has just opened the shard in `folder`."""
        self.guard = threading.RLock()
        self.writes = threading.RLock()
        self.ledger = Ledger(folder)
        self.folder = folder
        self.unflushed = False
        self.updates = 0
        """How many there were since it was opened."""
        self.written = threading.Event()
        """Something is unflushed, for `quiet`."""
        self.used_at = time.monotonic()
        self._engine: qe.EdgeShard | None = engine
        self._name = name
        self._log = Log(folder / "wal")
        self._log.make_room()
        self._flushed_log = self._log.size()
        self._unsynced = False
        self._touched = False
        """Something was written since it was opened."""
        self._pid = os.getpid()

    @classmethod
    def create(cls, folder: Path, layout: ShardLayout) -> Shard:
        """A new shard in `folder`, which holds none yet."""
        config = layout.config(index_from_kb=NEVER_KB)
        doing = f"create {layout.name}"
        engine = _translate(doing, qe.EdgeShard.create, str(folder), config)
        shard = cls(engine, folder, layout.name)
        shard.ledger.begin(0)
        return shard

    @classmethod
    def load(cls, folder: Path, layout: ShardLayout, *, index_from_kb: int | None = None) -> Shard:
        """Reopen what `create` made; replays what a killed process had not flushed.

        Args:
            folder: where it was made.
            layout: as it was made.
            index_from_kb: replaces the stored setting.

        Raises:
            StoreLocked: the engine's own lock is held, though ours was not.
            StoreDamaged: something is missing, or the engine cannot read it.
        """
        ledger = Ledger(folder)
        sealed, points = ledger.is_sealed(), ledger.points()
        wrong = ledger.damaged_files()
        if wrong:
            listed = "; ".join(f"{name} {problem}" for name, problem in [*wrong.items()][:3])
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise StoreDamaged(f"files of the {layout.name} are damaged ({listed}{more}): {REMEDY}")
        ledger.begin(points)
        shard = cls.load_anyhow(folder, layout, index_from_kb=index_from_kb)
        shard.ledger = ledger
        try:
            shard.compare(points, layout, exactly=sealed)
        except StoreError:
            with suppress(StoreError):
                shard.abandon()
            raise
        if not sealed:
            shard.recover()
        return shard

    @classmethod
    def load_anyhow(
        cls, folder: Path, layout: ShardLayout, *, index_from_kb: int | None = None
    ) -> Shard:
        """Reopen whatever the engine can read, compared with nothing; see `load`."""
        config = None if index_from_kb is None else layout.config(index_from_kb=index_from_kb)
        doing = f"open {layout.name}"
        try:
            with unprinted():
                engine = _translate(doing, qe.EdgeShard.load, str(folder), config)
        except DiskFull:
            raise
        except StoreError as error:
            if "WouldBlock" not in str(error):
                raise StoreDamaged(f"{error}. If files are damaged: {REMEDY}") from error
            raise StoreLocked(
                f"the files in {folder} are still held, though nobody has the gallery's lock: by "
                "a process that was forked from one that had them open, or by an owner whose "
                "owner.lock was deleted. End it, then try again",
                owner=None,
            ) from error
        return cls(engine, folder, layout.name)

    def recover(self) -> None:
        """Make durable what the log brought back: from now on it is there, and reported so."""
        with self.writes:
            self.unflushed = self._unsynced = self._touched = True
            self.sync()
            self.written.set()

    def compare(self, points: int, layout: ShardLayout, *, exactly: bool) -> None:
        """Look whether everything is there.

        Args:
            points: how many there must be at least.
            layout: as it was made.
            exactly: whether there must be no more.

        Raises:
            StoreDamaged: it is not.
        """
        found = self.points()
        whole = min(found, self.whole_points(layout.key))
        if whole < max(points, found) or (exactly and found > points):
            what = (
                layout.name if layout.name == REFERENCES else f"rows and records of {layout.name}"
            )
            raise StoreDamaged(f"of {max(points, found)} stored {what} {whole} are whole: {REMEDY}")

    def abandon(self) -> None:
        """Let go of a shard that is damaged, and leave its record of what must be there alone."""
        with self.writes, self.guard:
            engine, self._engine = self._open(), None
            self._log.close()
            _translate(f"close {self._name}", engine.close)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One change, which nobody sees half done; durable when this is left."""
        with self.writes:
            with self.guard:
                yield
            self.sync()

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
            self._touched = True
            _translate(f"index {self._name}", self._open().optimize)

    def points(self) -> int:
        """How many points there are."""
        return self._info().points_count

    def whole_points(self, key: str) -> int:
        """How many of them have a vector, and are in the index of `key`, which every one has."""
        with_vector = self.count(qe.Filter(must=[qe.HasVectorCondition("")]))
        index = self._info().payload_schema.get(key)
        return min(with_vector, 0 if index is None else index.points)

    def update(self, operation: qe.UpdateOperation, *, removes: int = 0) -> None:
        """Apply one operation. It is in the log, and durable after the next `sync`.

        Args:
            operation: validated: what the engine refuses is in its log all the same.
            removes: how many points it removes at most.

        Raises:
            DiskFull: not even the log has room.
        """
        with self.writes, self.guard:
            engine = self._open()
            if removes:
                if not self._log.make_room():
                    raise DiskFull(
                        f"the disk of {self.folder} is full, and so is what was reserved there: "
                        "nothing was removed. Free some space, then try again"
                    )
                self.ledger.lower_to(max(0, self.points() - removes))
            self.unflushed = self._unsynced = self._touched = True
            self.updates += 1
            _translate(f"write to {self._name}", engine.update, operation)
            self.written.set()

    def sync(self) -> None:
        """Bring every write so far to the disk: its log, or everything where that is overdue."""
        with self.writes:
            if not self._unsynced:
                return
            points = self.points()
            if not _on_disk(self._log.sync, self.folder):
                self.flush()
                return
            self._unsynced = False
            self.ledger.raise_to(points)
            self._log.make_room()
            if self._log.size() - self._flushed_log > LOG_BYTES:
                self.flush()

    def flush(self) -> None:
        """Bring everything to its place on the disk, so that the log is no longer needed."""
        with self.writes, self.guard:
            _translate(f"flush {self._name}", self._open().flush)
            self.unflushed = self._unsynced = False
            self.written.clear()
            self._flushed_log = self._log.size()
            self.ledger.raise_to(self.points())

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
        with self.writes, self.guard:
            engine = self._engine
            if engine is None or os.getpid() != self._pid:
                return
            points: int | None = None
            try:
                if self.unflushed:
                    self.flush()
                points = self.points()
            except DiskFull:
                self.sync()  # then it is in the log, from where the next opening takes it
            finally:
                self._engine = None
                self._log.close()
                _translate(f"close {self._name}", engine.close)
            if points is not None:
                with suppress(OSError):  # a full disk: then the number of points is compared
                    self.ledger.seal(points, written=self._touched)

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
        self.used_at = time.monotonic()
        return self._engine


def _on_disk(call: Callable[[], R], folder: Path) -> R:
    try:
        return call()
    except OSError as error:
        raise StoreError(
            f"the log in {folder} cannot be brought to the disk ({error}): look after the disk, "
            "then do it again"
        ) from error


def _translate(doing: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the engine; its errors become `StoreError`.

    The one place where everything is caught: the engine raises exactly `Exception` for
    everything that it expects (a full disk, a damaged file, a refused operation), and for the
    rest a panic, whose class cannot be imported. Anything else passes through.
    """
    try:
        return call(*args, **kwargs)
    except BaseException as error:
        if is_panic(error):
            raise StoreDamaged(
                f"cannot {doing} in the embedded store, its engine failed ({error}): {REMEDY}"
            ) from error
        if type(error) is not Exception:
            raise
        kind = DiskFull if "No space left" in str(error) else StoreError
        raise kind(f"cannot {doing} in the embedded store: {error}") from error
