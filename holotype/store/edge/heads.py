"""The half of the port that is about heads and leases, over one shard."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import qdrant_edge as qe

from holotype.errors import HeadError, UnknownHead
from holotype.heads import ActiveHead, HeadRecord, Lease, StoredHead
from holotype.references import Vectors
from holotype.store import head_payload as points
from holotype.store.edge import verify
from holotype.store.edge.filters import equals
from holotype.store.edge.room import Room
from holotype.store.edge.shard import Shard
from holotype.store.port import Damage
from holotype.store.validate import check_head
from holotype.store.whole import ACTIVE_HEAD

_POINTS_PER_CALL = 1024


class EdgeHeads:
    """Versions, the active pointer, and leases."""

    def __init__(self, shard: Shard, room: Room, *, dimension: int) -> None:
        """Work on an open shard of (`dimension` + 1)-dimensional vectors, distance Dot."""
        self._heads = shard
        self._room = room
        self.dimension = dimension
        self._nothing = np.zeros(dimension + 1, dtype=np.float32)
        self._leases: dict[str, Lease] = {}

    def save_head(self, head: StoredHead) -> None:
        """See `VectorStore.save_head`."""
        check_head(head, self.dimension)
        version = head.record.version
        self._room.require(4 * sum(block.nbytes for block in head.blocks.values()))
        with self._heads.writing():
            self._forget(version)  # a retry may come after a torn write of other shapes
            rows: list[qe.Point] = []
            for row in points.rows_of(head):
                rows.append(_point(row.id, row.vector, row.payload))
                if len(rows) == _POINTS_PER_CALL:
                    self._upsert(rows)
                    rows = []
            self._upsert(rows)
            record = points.with_block_rows(head)
            record_id = points.point_id(points.HEAD, version)
            self._upsert([_point(record_id, self._nothing, points.record_payload(record))])

    def heads(self) -> list[HeadRecord]:
        """See `VectorStore.heads`."""
        with self._heads.guard:
            stored = self._heads.facet(points.VERSION, equals(points.KIND, points.ROW))
            records = [record for record in self._records() if _is_whole(record, stored)]
        return sorted(records, key=lambda record: record.version)

    def load_head(self, version: str) -> StoredHead:
        """See `VectorStore.load_head`."""
        with self._heads.guard:
            record = self._record(version)
            if record is None:
                raise UnknownHead(f"no head has version {version!r}: `retrain list` shows them")
            blocks = {name: self._block(ids) for name, ids in points.row_ids(record).items()}
        whole = {name: block for name, block in blocks.items() if block is not None}
        if len(whole) < len(blocks):
            raise UnknownHead(
                f"head {version!r} was not stored completely: run `retrain` for a new one"
            )
        return StoredHead(record=record, blocks=whole)

    def remove_head(self, version: str) -> None:
        """See `VectorStore.remove_head`."""
        with self._heads.writing():
            active = self.active_head()
            if active is not None and active.version == version:
                raise HeadError(f"head {version!r} is active: promote another one first")
            self._forget(version)

    def active_head(self) -> ActiveHead | None:
        """See `VectorStore.active_head`."""
        payload = self._payload(points.point_id(points.ACTIVE))
        return None if payload is None else points.active_from(payload)

    def set_active_head(self, active: ActiveHead) -> None:
        """See `VectorStore.set_active_head`."""
        self._room.require()
        with self._heads.writing():
            if all(record.version != active.version for record in self.heads()):
                raise UnknownHead(f"no complete head has version {active.version!r}")
            pointer = points.point_id(points.ACTIVE)
            self._upsert([_point(pointer, self._nothing, points.active_payload(active))])

    def acquire_lease(self, name: str, *, holder: str, seconds: float) -> Lease:
        """See `VectorStore.acquire_lease`.

        There is one owner process, and whoever works on the gallery works through it: its
        leases are kept in memory, and end with it.
        """
        with self._heads.guard:
            now = time.time()
            current = self._leases.get(name)
            if current is not None and current.holder != holder and current.expires_at > now:
                return current
            self._leases[name] = Lease(name=name, holder=holder, expires_at=now + seconds)
            return self._leases[name]

    def release_lease(self, name: str, *, holder: str) -> None:
        """See `VectorStore.release_lease`."""
        with self._heads.guard:
            current = self._leases.get(name)
            if current is not None and current.holder == holder:
                del self._leases[name]

    # -- keeping --------------------------------------------------------------------

    def verify_heads(self, *, repair: bool) -> tuple[int, list[Damage]]:
        """How many versions are whole, and what is wrong with the others, which a repair removes.

        An active head that is not whole gives way to the one before it that is.
        """
        with self._heads.writes:
            whole, damages = verify.heads(self, self._heads, self.dimension)
            if not repair or not damages:
                return len(whole), damages
            with self._heads.writing():
                return len(whole), [self._mend_head(damage, whole) for damage in damages]

    def _mend_head(self, damage: Damage, whole: Collection[str]) -> Damage:
        if damage.item != ACTIVE_HEAD:
            self._forget(damage.item)
            if verify.is_id(damage.item):
                gone = qe.UpdateOperation.delete_points([damage.item])
                self._heads.update(gone, removes=1)
            return replace(damage, mended="it was removed: run `retrain`")
        active = self.active_head()
        before = [v for v in (active.history if active else ()) if v in whole]
        if before:
            self.set_active_head(ActiveHead(before[-1], tuple(before[:-1])))
            return replace(damage, mended=f"{before[-1]!r} is active now")
        pointer = points.point_id(points.ACTIVE)
        self._heads.update(qe.UpdateOperation.delete_points([pointer]), removes=1)
        return replace(damage, mended="no head is active now: run `retrain`, or `retrain promote`")

    # -- inside ---------------------------------------------------------------------

    def _upsert(self, some: list[qe.Point]) -> None:
        if some:
            self._heads.update(qe.UpdateOperation.upsert_points(some))

    def _forget(self, version: str) -> None:
        # The record first: without it, rows that a crash leaves behind belong to nothing.
        record = points.point_id(points.HEAD, version)
        of_version = equals(points.VERSION, version)
        stored = self._heads.count(of_version)
        if stored:
            self._heads.update(qe.UpdateOperation.delete_points([record]), removes=1)
            rows = qe.UpdateOperation.delete_points_by_filter(of_version)
            self._heads.update(rows, removes=stored)

    def _records(self) -> Iterator[HeadRecord]:
        following: str | None = None
        while True:
            found, following = self._heads.scroll(
                qe.ScrollRequest(
                    offset=following,
                    limit=_POINTS_PER_CALL,
                    filter=equals(points.KIND, points.HEAD),
                    with_payload=True,
                )
            )
            yield from (points.record_from(record.payload or {}) for record in found)
            if following is None:
                return

    def _record(self, version: str) -> HeadRecord | None:
        payload = self._payload(points.point_id(points.HEAD, version))
        return None if payload is None else points.record_from(payload)

    def _payload(self, point: str) -> qe.Payload | None:
        found = self._heads.retrieve([point], payload=True).get(point)
        return None if found is None else found.payload or {}

    def _block(self, ids: list[str]) -> Vectors | None:
        vectors: dict[str, object] = {}
        for start in range(0, len(ids), _POINTS_PER_CALL):
            some = self._heads.retrieve(ids[start : start + _POINTS_PER_CALL], vectors=True)
            vectors |= {row: record.vector for row, record in some.items()}
        return points.block_of(ids, vectors, columns=self.dimension + 1)


def _is_whole(record: HeadRecord, stored: dict[str, int]) -> bool:
    return stored.get(record.version, 0) == sum(record.block_rows.values())


def _point(point: str, vector: Vectors, payload: qe.Payload) -> qe.Point:
    return qe.Point(point, vector.tolist(), payload)
