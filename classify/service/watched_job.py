"""A long job of a service: one at a time, in a thread, watched while it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from classify.service.problems import problem_of
from head.steps import Standing, Tell, seconds_left
from holotype.errors import HolotypeError, RetrainCancelled

State = Literal["idle", "running", "done", "failed", "cancelled"]
Check = Callable[[], None]
"""Called again and again; what it raises ends the run."""
T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Where a job stands: the run that goes on, or the last one."""

    state: State = "idle"
    step: str | None = None
    percent: float | None = None
    """Of the whole, while it runs."""
    elapsed_s: float | None = None
    """Seconds since it began, while it runs."""
    eta_s: float | None = None
    """Seconds that are left; None while it is too early to say."""
    started_at: str | None = None
    """ISO 8601, UTC."""
    finished_at: str | None = None
    """ISO 8601, UTC."""
    result: Mapping[str, Any] | None = None
    error: str | None = None
    error_type: str | None = None
    """As in a problem (`classify.service.problems`)."""


class WatchedJob(Generic[T]):
    """Runs a function of options, `Tell` and `Check` in a thread of its own."""

    def __init__(self, run: Callable[[T, Tell, Check], Mapping[str, Any]], *, name: str) -> None:
        """Take the work, and what it is called in messages."""
        self._run, self._name = run, name
        self._guard = threading.Lock()
        self._progress = JobProgress()
        self._share, self._began = 0.0, 0.0
        self._cancelled = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    @property
    def progress(self) -> JobProgress:
        """Where the job stands."""
        with self._guard:
            if self._progress.state != "running":
                return self._progress
            elapsed = time.monotonic() - self._began
            left = seconds_left(self._share, elapsed)
            return replace(
                self._progress,
                percent=round(100 * self._share, 1),
                elapsed_s=round(elapsed, 1),
                eta_s=None if left is None else round(left, 1),
            )

    def begin(self, options: T) -> JobProgress | None:
        """Start a run; None where one goes on already."""
        with self._guard:
            if self._progress.state == "running":
                return None
            self._progress = JobProgress("running", step="starting", started_at=_now())
            self._share, self._began = 0.0, time.monotonic()
            self._cancelled = cancelled = threading.Event()
            started = self._progress

        def check() -> None:
            if cancelled.is_set():
                raise RetrainCancelled(
                    f"the {self._name} was cancelled: nothing was published, and what answered "
                    "before goes on answering"
                )

        done = self._thread.submit(self._run, options, self._tell, check)
        done.add_done_callback(self._finish)
        return started

    def cancel(self) -> JobProgress:
        """End the run, if there is one; where its result is being published, it is too late."""
        with self._guard:
            self._cancelled.set()
        return self.progress

    def close(self) -> None:
        """Wait for the end of a run."""
        self._thread.shutdown()

    def _tell(self, standing: Standing) -> None:
        with self._guard:
            self._share = standing.share
            self._progress = replace(self._progress, step=standing.step)

    def _finish(self, done: Future[Mapping[str, Any]]) -> None:
        error = done.exception()
        with self._guard:
            ended = replace(self._progress, step=None, finished_at=_now())
            if error is None:
                self._progress = replace(ended, state="done", result=done.result())
                return
            if not isinstance(error, HolotypeError):
                # What a person can act on is said to them; a bug is for the log.
                _log.error("the %s job failed", self._name, exc_info=error)
                error = HolotypeError(
                    f"the {self._name} job failed: the service's log has the details"
                )
            problem = problem_of(error)
            state: State = "cancelled" if isinstance(error, RetrainCancelled) else "failed"
            self._progress = replace(
                ended, state=state, error=problem.detail, error_type=problem.type
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
