"""One retrain at a time on a gallery, across machines.

The right to retrain is a lease in the store. Its holder is a random name, kept alive by a
thread of the run, so that no step is too long for it; a run that died stops renewing, and its
lease is free when it is past. Nothing else tells a dead run from a live one: process numbers
come again, and containers share host names.

A run that stood still for longer than its lease (a suspended machine, a server that was away)
may find that another one took over. It then ends, and makes nothing active.
"""

from __future__ import annotations

import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holotype.errors import HeadBusy, StoreError

if TYPE_CHECKING:
    from holotype.heads import Lease
    from holotype.store.port import VectorStore

NAME = "retrain"
LEASE_S = 60.0
"""For so long a run that was killed blocks the next one on a Qdrant server."""

RENEW_EVERY_S = 15.0
"""So a lease that is being renewed has 45 s left at least: a store may be away for so long, and
so far may the clocks of two machines differ, before a live run is overruled."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who retrains. As text: `host pid 123 since 2026-01-31T12:00:00Z #abcd`.

    The token makes it one of a kind; the rest is for people.
    """

    host: str
    pid: int
    since: str
    """ISO 8601, UTC."""
    token: str

    @classmethod
    def this_run(cls) -> Holder:
        """A holder for a run that starts now, here."""
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return cls(platform.node() or "unknown", os.getpid(), since, secrets.token_hex(8))

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


class HeldLease:
    """The lease while a run has it."""

    def __init__(self, store: VectorStore, holder: str) -> None:
        self._store, self._holder = store, holder
        self._taken_by: str | None = None

    def check(self) -> None:
        """Go on only while nobody took over, as far as the last renewal told; costs nothing.

        Raises:
            HeadBusy: another run took over.
        """
        if self._taken_by is not None:
            raise HeadBusy(
                f"this retrain stood still for more than {LEASE_S:.0f} s and another one took "
                f"over (holder {_in_words(self._taken_by)}): this one made no head active"
            )

    def renew(self) -> None:
        """Have it for `LEASE_S` from now.

        Raises:
            HeadBusy: another run took over.
        """
        self.check()
        lease = self._store.acquire_lease(NAME, holder=self._holder, seconds=LEASE_S)
        if lease.holder != self._holder:
            self._taken_by = lease.holder
        self.check()

    def keep(self, ended: threading.Event) -> None:
        """Renew on a timer, until the run has ended or another one took over."""
        while not ended.wait(RENEW_EVERY_S):
            try:
                # A store that is away may come back in time; if not, the run meets it itself.
                with suppress(StoreError):
                    self.renew()
            except HeadBusy:
                return  # the run learns of it at its next `check`


@contextmanager
def only_retrain(store: VectorStore) -> Iterator[HeldLease]:
    """Hold the right to retrain for the length of a block.

    Raises:
        HeadBusy: another retrain holds it; says which, and since when.
    """
    holder = str(Holder.this_run())
    lease = store.acquire_lease(NAME, holder=holder, seconds=LEASE_S)
    if lease.holder != holder:
        raise HeadBusy(busy_message(store.gallery, lease))
    held, ended = HeldLease(store, holder), threading.Event()
    renewing = threading.Thread(target=held.keep, args=(ended,), name="lease", daemon=True)
    renewing.start()
    try:
        yield held
    finally:
        ended.set()
        renewing.join()  # a renewal after the release would take it again
        store.release_lease(NAME, holder=holder)


def busy_message(gallery: str, lease: Lease) -> str:
    """Who holds the lease, for the one who does not."""
    left = max(0.0, lease.expires_at - time.time())
    return (
        f"another retrain is running on gallery {gallery!r} (holder {_in_words(lease.holder)}): "
        f"wait for it; if it died, its right ends in {left:.0f} s"
    )


def _in_words(holder: str) -> str:
    other = Holder.parse(holder)
    return holder if other is None else f"process {other.pid} on {other.host}, since {other.since}"
