"""`ingest watch`: the worker that adds what is put into a folder, for years.

It opens the gallery only while there is something to add, so on the embedded store other
commands get their turn. A gallery that cannot be had right now (locked, or its server
down) is said once and tried again; the files wait where they are. Nothing is kept outside
the gallery, the report and the hashes of files: a restarted worker looks at every file again,
and what is known and has not changed is not even read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from holotype.errors import ServiceError, StoreLocked, StoreUnavailable, UsageError
from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict
from ingest.adding import add
from ingest.backend import Backend
from ingest.inbox import Inbox
from ingest.known_files.interface import Hashes, NoHashes

_PASSING = (StoreLocked, StoreUnavailable, ServiceError)
"""What goes away without a change of settings."""

REST = 10
"""A look that took a second is followed by at least ten seconds of rest."""


@dataclass(slots=True)
class FolderWatcher:
    """Adds what an inbox holds, one round after the other."""

    inbox: Inbox
    open_backend: Callable[[], AbstractContextManager[Backend]]
    listen: Callable[[FileOutcome], None]
    """Told every outcome as soon as it is certain."""
    say: Callable[[str], None]
    """Told what is in the way, and when it is gone."""
    on_conflict: OnConflict = OnConflict.ERROR
    workers: int | None = None
    hashes: Hashes = field(default_factory=NoHashes)
    _in_the_way: str | None = None
    _left_out: str = ""
    _look_s: float = 0.0

    def run(self, *, every_s: float, wait: Callable[[float], bool]) -> None:
        """Round after round until `wait`, given the seconds to rest, says that it is over.

        Raises:
            HolotypeError: something that does not pass, such as another fingerprint.
        """
        while True:
            self.round()
            if wait(max(every_s, REST * self._look_s)):
                return

    def round(self) -> int:
        """Look once and add what is complete; returns how many files got their outcome."""
        started = time.monotonic()
        try:
            ready = self.inbox.look()
        except UsageError as error:  # a network drive comes back
            self._blocked(str(error))
            return 0
        finally:
            self._look_s = time.monotonic() - started
        if self.inbox.left_out not in {"", self._left_out}:
            self._left_out = self.inbox.left_out
            self.say(self._left_out)
        if not ready:
            return 0
        try:
            settled = self._add(ready)
        except _PASSING as error:
            self._blocked(str(error))
            return 0
        self._blocked(None)
        return settled

    def _add(self, ready: list[Incoming]) -> int:
        waiting = iter(ready)

        def listen(outcome: FileOutcome) -> None:
            self.inbox.settle(next(waiting))  # outcomes come in the order of the files
            self.listen(outcome)

        with self.open_backend() as backend:
            summary = add(
                ready,
                backend,
                on_conflict=self.on_conflict,
                workers=self.workers,
                hashes=self.hashes,
                listen=listen,
            )
        return summary.total

    def _blocked(self, reason: str | None) -> None:
        if reason != self._in_the_way:
            self.say(f"waiting: {reason}" if reason else "going on")
        self._in_the_way = reason
