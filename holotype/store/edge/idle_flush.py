"""Flushing in quiet moments: when nobody has asked the engine for anything for a while.

A flush holds the interpreter for a tenth of a second, and nothing depends on it: what was
reported is durable in the log. It only shortens the log that an opening after a crash reads.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from holotype.errors import StoreError
from holotype.store.edge.shard import Shard

QUIET_S: Final = 2.0

_log = logging.getLogger(__name__)


class QuietFlush:
    """A thread that flushes one shard."""

    def __init__(self, shard: Shard, *, quiet_s: float = QUIET_S) -> None:
        """Start it."""
        self._shard = shard
        self._quiet_s = quiet_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flush", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; calling it twice is fine."""
        self._stopping.set()
        self._shard.written.set()  # it may wait for that
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._shard.written.wait()
            quiet_for = time.monotonic() - self._shard.used_at
            if self._stopping.wait(max(0.0, self._quiet_s - quiet_for)):
                return
            if time.monotonic() - self._shard.used_at >= self._quiet_s:
                self._flush()

    def _flush(self) -> None:
        try:
            self._shard.flush()
        except StoreError as error:  # what was reported is in the log; closing says it again
            self._shard.written.clear()
            _log.warning("%s", error)
