"""The retrain job of a service, in a process of its own (see `holotype.relay`)."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from head.options import RetrainOptions
from holotype.relay.frames import Message
from holotype.relay.lender import Lender

if TYPE_CHECKING:
    from classify.service.retraining import Say
    from holotype.store.port import VectorStore

COMMAND = (sys.executable, "-m", "head.borrowing")


class TrainingProcess:
    """Runs the job on a store that this process owns. One run at a time."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self, options: RetrainOptions, say: Say) -> Mapping[str, Any]:
        """Train, save and promote; returns the result as JSON data.

        Raises:
            HolotypeError: what the job raised, or that it was ended.
        """
        start = {
            "gallery": self._store.gallery,
            "fingerprint": self._store.fingerprint.to_dict(),
            "options": asdict(options),
        }
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            return Lender(self._store, say=say).serve(
                process.stdout, process.stdin, start=Message(start)
            )
        finally:
            _let_go(process)

    def stop(self) -> None:
        """End a run, and start none any more: nothing half-done becomes active."""
        with self._guard:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._guard:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe)  # noqa: S603  ours
            if self._stopped:
                self._process.terminate()
            return self._process


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Hang up and wait for its end: without its parent's answers it has nothing to do."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it may be gone with a call unanswered
        process.stdin.close()
    process.stdout.close()
    process.wait()
