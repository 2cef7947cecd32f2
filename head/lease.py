"""One retrain at a time on a gallery, across machines.

The right to retrain is a lease in the store. A run renews it as it goes; a run that died
stops renewing, and is overruled when the lease is past, or at once where the dead process
was of this machine.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holotype.errors import HeadBusy

if TYPE_CHECKING:
    from holotype.heads import Lease
    from holotype.store.port import VectorStore

NAME = "retrain"
LEASE_S = 600.0
"""Longer than any step between two renewals; a dead run on another machine blocks so long."""

RENEW_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who retrains. As text: `host pid 123 since 2026-01-31T12:00:00Z #abcd`."""

    host: str
    pid: int
    since: str
    """ISO 8601, UTC."""
    token: str
    """Tells two runs apart in which everything else is equal."""

    @classmethod
    def this_run(cls) -> Holder:
        """A holder for a run that starts now, here."""
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return cls(platform.node() or "unknown", os.getpid(), since, secrets.token_hex(4))

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """Inverse of `str`; None for a text of another make."""
        match text.split(" "):
            case [host, "pid", pid, "since", since, token] if pid.isdecimal():
                return cls(host, int(pid), since, token.removeprefix("#"))
            case _:
                return None

    def __str__(self) -> str:
        host = self.host.replace(" ", "-")
        return f"{host} pid {self.pid} since {self.since} #{self.token}"

    def is_dead(self) -> bool:
        """Whether this was a process of this machine that is no more."""
        if self.host != (platform.node() or "unknown").replace(" ", "-"):
            return False
        if self.pid == os.getpid():
            return True  # an earlier process of our number: a container that started again
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class HeldLease:
    """The lease while a run has it."""

    def __init__(self, store: VectorStore, holder: Holder) -> None:
        self._store, self._holder = store, holder
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Keep it; cheap to call often.

        Raises:
            HeadBusy: this run stood still for so long that another one took over.
        """
        now = time.monotonic()
        if now - self._renewed < RENEW_AFTER_S:
            return
        lease = self._store.acquire_lease(NAME, holder=str(self._holder), seconds=LEASE_S)
        if lease.holder != str(self._holder):
            raise HeadBusy(
                f"this retrain stood still for more than {LEASE_S:.0f} s and another one took "
                f"over ({lease.holder}): nothing was saved"
            )
        self._renewed = now


@contextmanager
def only_retrain(store: VectorStore) -> Iterator[HeldLease]:
    """Hold the right to retrain for the length of a block.

    Raises:
        HeadBusy: another retrain holds it; says which, and since when.
    """
    holder = Holder.this_run()
    lease = store.acquire_lease(NAME, holder=str(holder), seconds=LEASE_S)
    if lease.holder != str(holder):
        lease = _after_a_dead_one(store, lease, holder)
    if lease.holder != str(holder):
        raise HeadBusy(busy_message(store.gallery, lease))
    try:
        yield HeldLease(store, holder)
    finally:
        store.release_lease(NAME, holder=str(holder))


def busy_message(gallery: str, lease: Lease) -> str:
    """Who holds the lease, for the one who does not."""
    other = Holder.parse(lease.holder)
    who = (
        f"holder {lease.holder}"
        if other is None
        else f"holder process {other.pid} on {other.host}, since {other.since}"
    )
    left = max(0.0, lease.expires_at - time.time())
    return (
        f"another retrain is running on gallery {gallery!r} ({who}): wait for it; if it died, "
        f"its right ends in {left:.0f} s"
    )


def _after_a_dead_one(store: VectorStore, lease: Lease, holder: Holder) -> Lease:
    other = Holder.parse(lease.holder)
    if other is None or not other.is_dead():
        return lease
    store.release_lease(NAME, holder=lease.holder)
    return store.acquire_lease(NAME, holder=str(holder), seconds=LEASE_S)
