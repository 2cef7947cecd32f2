"""The retrain job of a service: one at a time, watched while it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from classify.service.problems import problem_of
from head.options import RetrainOptions
from holotype.errors import HeadBusy, HolotypeError

State = Literal["idle", "running", "done", "failed"]
Say = Callable[[str], None]
"""Told what the job is doing, in words."""

_log = logging.getLogger(__name__)


class Job(Protocol):
    """What is run."""

    def run(self, options: RetrainOptions, say: Say) -> Mapping[str, Any]:
        """Train, save and promote; returns the result as JSON data.

        Raises:
            HolotypeError: nothing was trained, and the active head goes on answering.
        """
        ...

    def stop(self) -> None:
        """End a run early, and start none any more."""
        ...


@dataclass(frozen=True, slots=True)
class RetrainProgress:
    """Where the job stands: the one that runs, or the last one."""

    state: State = "idle"
    step: str | None = None
    started_at: str | None = None
    """ISO 8601, UTC."""
    finished_at: str | None = None
    """ISO 8601, UTC."""
    result: Mapping[str, Any] | None = None
    error: str | None = None
    error_type: str | None = None
    """As in a problem (`classify.service.problems`)."""


class Retraining:
    """Starts the job in a thread, one at a time."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._guard = threading.Lock()
        self._progress = RetrainProgress()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="retrain")

    @property
    def progress(self) -> RetrainProgress:
        """Where the job stands."""
        return self._progress

    def start(self, options: RetrainOptions) -> RetrainProgress:
        """Start the job.

        Raises:
            HeadBusy: it is running already.
        """
        with self._guard:
            if self._progress.state == "running":
                raise HeadBusy("a retrain is running already: GET /v1/retrain shows how far it is")
            self._progress = RetrainProgress("running", step="starting", started_at=_now())
            started = self._progress
        self._thread.submit(self._job.run, options, self._say).add_done_callback(self._finish)
        return started

    def close(self) -> None:
        """End the job; the active head stays what it is."""
        self._job.stop()
        self._thread.shutdown()

    def _say(self, step: str) -> None:
        with self._guard:
            self._progress = replace(self._progress, step=step)

    def _finish(self, done: Future[Mapping[str, Any]]) -> None:
        error = done.exception()
        with self._guard:
            ended = replace(self._progress, step=None, finished_at=_now())
            if error is None:
                self._progress = replace(ended, state="done", result=done.result())
                return
            if not isinstance(error, HolotypeError):
                # What a person can act on is said to them; a bug is for the log.
                _log.error("the retrain job failed", exc_info=error)
                error = HolotypeError("the retrain job failed: the service's log has the details")
            problem = problem_of(error)
            self._progress = replace(
                ended, state="failed", error=problem.detail, error_type=problem.type
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
