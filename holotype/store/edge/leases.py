"""Leases of an embedded gallery, in memory."""

# ruff: noqa: D102  as in VectorStore

from __future__ import annotations

import threading
import time

from holotype.heads import Lease
from holotype.store.port import VectorStore


class EdgeLeases(VectorStore):
    """Who holds what.

    There is one owner process, and whoever works on the gallery works through it: its leases end
    with it.
    """

    def __init__(self) -> None:
        """Nobody holds any."""
        self._leases: dict[str, Lease] = {}
        self._leasing = threading.Lock()

    def acquire_lease(self, name: str, *, holder: str, seconds: float) -> Lease:
        with self._leasing:
            now = time.time()
            current = self._leases.get(name)
            if current is not None and current.holder != holder and current.expires_at > now:
                return current
            self._leases[name] = Lease(name=name, holder=holder, expires_at=now + seconds)
            return self._leases[name]

    def release_lease(self, name: str, *, holder: str) -> None:
        with self._leasing:
            current = self._leases.get(name)
            if current is not None and current.holder == holder:
                del self._leases[name]
