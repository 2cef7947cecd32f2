"""Leases on a server, shared by every process that uses it."""

# ruff: noqa: D102  as in VectorStore

from __future__ import annotations

import time
from time import sleep as pause
from typing import Final

from qdrant_client.http import models

from holotype.errors import StoreError
from holotype.heads import Lease
from holotype.store import head_payload as stored
from holotype.store.points import Matching
from holotype.store.port import VectorStore
from holotype.store.server.collection import Collection
from holotype.store.server.filters import any_of

_UNTIL_REPLICAS_AGREE_S: Final = (0.2, 0.6, 1.2)
"""Pauses between looks at a lease that the replicas differ about: longer than a write takes."""


class ServerLeases(VectorStore):
    """Who holds what, as points beside the heads."""

    def __init__(self, collection: Collection, *, columns: int) -> None:
        """Work on a collection of (`columns`,) vectors."""
        self._leases = collection
        self._columns = columns

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
                f"the replicas of gallery {self._leases.calls.gallery!r} do not agree on who "
                f"holds lease {name!r}: run `ingest verify`, then start again"
            )
        return held

    def release_lease(self, name: str, *, holder: str) -> None:
        lease_id = stored.point_id(stored.LEASE, name)
        mine = Matching(ids=(lease_id,), one_of=(("holder", (holder,)),))
        self._leases.delete(mine, f"lease {name!r}")

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
        lease = stored.plain_point(stored.lease_payload(mine), columns=self._columns)
        self._leases.upsert([lease], f"lease {name!r}", agreed=True, only_if=free)
        payload = self._leases.agreed_payload(lease.id, f"lease {name!r}")
        return None if payload is None else stored.lease_from(payload)
