"""The retrain job of a service: one at a time, watched while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from classify.service.watched_job import Check, JobProgress, WatchedJob
from head.options import RetrainOptions
from head.steps import Tell
from holotype.errors import HeadBusy


class Job(Protocol):
    """What is run."""

    def run(self, options: RetrainOptions, tell: Tell, check: Check) -> Mapping[str, Any]:
        """Train, save and promote; returns the result as JSON data.

        Args:
            options: of the run.
            tell: told how far it is.
            check: ends the run by what it raises, until the head is trained.

        Raises:
            HolotypeError: nothing was trained, and the active head goes on answering.
        """
        ...

    def stop(self) -> None:
        """End a run early, and start none any more."""
        ...


class Retraining(WatchedJob[RetrainOptions]):
    """Starts the job in a thread, one at a time."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.run, name="retrain")
        self._job = job

    def start(self, options: RetrainOptions) -> JobProgress:
        """Start the job.

        Raises:
            HeadBusy: it is running already.
        """
        started = self.begin(options)
        if started is None:
            raise HeadBusy("a retrain is running already: GET /v1/retrain shows how far it is")
        return started

    def close(self) -> None:
        """End the job; the active head stays what it is."""
        self._job.stop()
        super().close()
