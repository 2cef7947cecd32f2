"""The half of the port that is about heads and leases, over one collection."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from qdrant_client.http import models

from holotype.errors import HeadError, StoreError, UnknownHead
from holotype.heads import ActiveHead, HeadRecord, Lease, StoredHead
from holotype.references import Vectors
from holotype.store import head_payload as points
from holotype.store.server.batches import point
from holotype.store.server.collection import Collection
from holotype.store.server.filters import any_of, equals
from holotype.store.validate import check_head


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
        """
        now = time.time()
        mine = Lease(name=name, holder=holder, expires_at=now + seconds)
        free = models.Filter(
            should=[
                any_of("holder", [holder]),
                models.FieldCondition(key="expires_at", range=models.Range(lte=now)),
            ]
        )
        lease_id = points.point_id(points.LEASE, name)
        self._collection.upsert_agreed(
            self._plain(lease_id, points.lease_payload(mine)), f"lease {name!r}", only_if=free
        )
        payload = self._collection.payload_agreed(lease_id, f"lease {name!r}")
        if payload is None:
            raise StoreError(
                f"lease {name!r} was given back by another process of this holder at the same "
                "moment: start again"
            )
        return points.lease_from(payload)

    def release_lease(self, name: str, *, holder: str) -> None:
        """See `VectorStore.release_lease`."""
        mine = models.Filter(
            must=[
                models.HasIdCondition(has_id=[points.point_id(points.LEASE, name)]),
                any_of("holder", [holder]),
            ]
        )
        self._collection.delete(mine, f"lease {name!r}")

    # -- inside ---------------------------------------------------------------------

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
