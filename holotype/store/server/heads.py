"""The half of the port that is about heads and leases, over one collection."""

from __future__ import annotations

import time
from dataclasses import replace
from time import sleep as pause
from typing import Any, Final

import numpy as np
from qdrant_client.http import models

from holotype.errors import HeadError, StoreError, UnknownHead
from holotype.heads import ActiveHead, HeadRecord, Lease, StoredHead
from holotype.references import Vectors
from holotype.store import head_payload as points
from holotype.store.port import Damage
from holotype.store.server.batches import point
from holotype.store.server.collection import Collection
from holotype.store.server.filters import any_of, equals, ids_filter
from holotype.store.validate import check_head, valid_ids
from holotype.store.whole import ACTIVE_HEAD, check_heads

_UNTIL_REPLICAS_AGREE_S: Final = (0.2, 0.6, 1.2)
"""Pauses between looks at a lease that the replicas differ about: longer than a write takes."""


class ServerHeads:
    """Versions, the active pointer, and leases, shared by every process that uses the server."""

    def __init__(self, collection: Collection, *, dimension: int) -> None:
        """Work on a collection of (`dimension` + 1,) vectors, distance Dot."""
        self._collection = collection
        self._dimension = dimension

    # -- versions -------------------------------------------------------------------

    def save_head(self, head: StoredHead) -> None:
        """See `VectorStore.save_head`."""
        check_head(head, self._dimension)
        self._forget(head.record.version)  # a retry may come after a torn write of other shapes
        self._collection.upsert(
            (point(row.id, row.vector, row.payload) for row in points.rows_of(head)),
            "rows of a head",
        )
        record = points.with_block_rows(head)
        self._collection.upsert(
            [
                self._plain(
                    points.point_id(points.HEAD, record.version), points.record_payload(record)
                )
            ],
            "record of a head",
        )

    def heads(self) -> list[HeadRecord]:
        """See `VectorStore.heads`."""
        stored = self._collection.facet(points.VERSION, equals(kind=points.ROW))
        pages = self._collection.pages(equals(kind=points.HEAD), payload=True)
        records = [points.record_from(r.payload or {}) for page in pages for r in page]
        whole = [r for r in records if stored.get(r.version, 0) == sum(r.block_rows.values())]
        return sorted(whole, key=lambda record: record.version)

    def load_head(self, version: str) -> StoredHead:
        """See `VectorStore.load_head`."""
        record_id = points.point_id(points.HEAD, version)
        found = self._collection.retrieve([record_id]).get(record_id)
        if found is None:
            raise UnknownHead(f"no head has version {version!r}: `retrain list` shows them")
        record = points.record_from(found.payload or {})
        blocks = {name: self._block(ids) for name, ids in points.row_ids(record).items()}
        whole = {name: block for name, block in blocks.items() if block is not None}
        if len(whole) < len(blocks):
            raise UnknownHead(
                f"head {version!r} was not stored completely: run `retrain` for a new one"
            )
        return StoredHead(record=record, blocks=whole)

    def remove_head(self, version: str) -> None:
        """See `VectorStore.remove_head`."""
        active = self.active_head()
        if active is not None and active.version == version:
            raise HeadError(f"head {version!r} is active: promote another one first")
        self._forget(version)

    # -- the pointer ----------------------------------------------------------------

    def active_head(self) -> ActiveHead | None:
        """See `VectorStore.active_head`."""
        pointer = points.point_id(points.ACTIVE)
        payload = self._collection.payload_agreed(pointer, "the active head")
        return None if payload is None else points.active_from(payload)

    def set_active_head(self, active: ActiveHead) -> None:
        """See `VectorStore.set_active_head`.

        The last writer wins: who reads, decides and writes should hold a lease meanwhile.
        """
        if all(record.version != active.version for record in self.heads()):
            raise UnknownHead(f"no complete head has version {active.version!r}")
        pointer = points.point_id(points.ACTIVE)
        self._collection.upsert_agreed(
            self._plain(pointer, points.active_payload(active)), "the active head"
        )

    # -- leases ---------------------------------------------------------------------

    def acquire_lease(self, name: str, *, holder: str, seconds: float) -> Lease:
        """See `VectorStore.acquire_lease`.

        One upsert under a condition: it inserts where there is no lease, and overwrites one
        that is `holder`'s own or past its end. The server applies it atomically, and reading
        back tells who has it. Clocks are the clients': they must agree better than the
        lease's length.

        Each replica applies the condition to what it has itself. Where they differ, one takes
        the lease and another refuses it, and nothing that is read back is agreed on. They
        differ for a moment while a write is under way, and for good after one that failed: then
        nobody was told that the lease is his, and one that was not renewed since is taken.
        """
        asked_at = time.time()
        for seconds_more in _UNTIL_REPLICAS_AGREE_S:
            held = self._take(name, holder, seconds, taken_before=None)
            if held is not None:
                return held
            pause(seconds_more)
        held = self._take(name, holder, seconds, taken_before=asked_at)
        if held is None:
            raise StoreError(
                f"the replicas of gallery {self._collection.calls.gallery!r} do not agree on who "
                f"holds lease {name!r}: run `ingest verify`, then start again"
            )
        return held

    def release_lease(self, name: str, *, holder: str) -> None:
        """See `VectorStore.release_lease`."""
        mine = models.Filter(
            must=[
                models.HasIdCondition(has_id=[points.point_id(points.LEASE, name)]),
                any_of("holder", [holder]),
            ]
        )
        self._collection.delete(mine, f"lease {name!r}")

    # -- keeping --------------------------------------------------------------------

    def verify(self, *, repair: bool) -> tuple[int, list[Damage]]:
        """How many versions are whole, and what is wrong with the others, which a repair removes.

        An active head that is not whole gives way to the one before it that is.
        """
        pages = self._collection.pages(None, payload=True)
        payloads = ((str(r.id), r.payload or {}) for page in pages for r in page)
        whole, damages = check_heads(self, payloads, self._dimension)
        if repair:
            damages = [self._mend(damage, whole) for damage in damages]
        return len(whole), damages

    # -- inside ---------------------------------------------------------------------

    def _mend(self, damage: Damage, whole: set[str]) -> Damage:
        if damage.item != ACTIVE_HEAD:
            self._forget(damage.item)
            if ids := valid_ids([damage.item]):
                self._collection.delete(ids_filter(ids), "a damaged point of the heads")
            return replace(damage, mended="it was removed: run `retrain`")
        active = self.active_head()
        before = [v for v in (active.history if active else ()) if v in whole]
        if before:
            self.set_active_head(ActiveHead(before[-1], tuple(before[:-1])))
            return replace(damage, mended=f"{before[-1]!r} is active now")
        self._collection.delete(ids_filter([points.point_id(points.ACTIVE)]), "the active head")
        return replace(damage, mended="no head is active now: run `retrain`, or `retrain promote`")

    def _take(
        self, name: str, holder: str, seconds: float, *, taken_before: float | None
    ) -> Lease | None:
        """Who has the lease after `holder` asked for it; None where the replicas differ.

        Args:
            name: of the lease.
            holder: who asks.
            seconds: how long it is asked for.
            taken_before: one that was taken or renewed before this time is as good as past.
        """
        now = time.time()
        mine = Lease(name=name, holder=holder, expires_at=now + seconds)
        past = now if taken_before is None else taken_before + seconds
        free = models.Filter(
            should=[
                any_of("holder", [holder]),
                models.FieldCondition(key="expires_at", range=models.Range(lte=past)),
            ]
        )
        lease_id = points.point_id(points.LEASE, name)
        self._collection.upsert_agreed(
            self._plain(lease_id, points.lease_payload(mine)), f"lease {name!r}", only_if=free
        )
        payload = self._collection.payload_agreed(lease_id, f"lease {name!r}")
        return None if payload is None else points.lease_from(payload)

    def _forget(self, version: str) -> None:
        # The record first: without it, rows that a crash leaves behind belong to nothing.
        for kind in (points.HEAD, points.ROW):
            self._collection.delete(equals(kind=kind, version=version), f"{kind}s of a head")

    def _plain(self, point_id: str, payload: dict[str, Any]) -> models.PointStruct:
        """A point without numbers: collections demand a vector."""
        return point(point_id, np.zeros(self._dimension + 1, dtype=np.float32), payload)

    def _block(self, ids: list[str]) -> Vectors | None:
        found = self._collection.retrieve(ids, payload=False, vectors=True)
        vectors = {row: record.vector for row, record in found.items()}
        return points.block_of(ids, vectors, columns=self._dimension + 1)
