"""The retrain job of a service, trained in a process of its own (see `head.apart`)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from head.job import retrain
from holotype.errors import StoreError

if TYPE_CHECKING:
    from classify.service.watched_job import Check
    from head.options import RetrainOptions
    from head.steps import Tell
    from holotype.store.port import VectorStore


class TrainingProcess:
    """Runs the job on a store that this process owns. One run at a time."""

    def __init__(self, store: VectorStore, *, beside: Path | None = None) -> None:
        """Take the store, and a folder on a disk with room for its vectors, if it is there."""
        self._store = store
        self._beside = beside
        self._stopped = threading.Event()

    def run(self, options: RetrainOptions, tell: Tell, check: Check) -> Mapping[str, Any]:
        """Train, save and promote; returns the result as JSON data.

        Raises:
            HolotypeError: what the job raised, or `check`, or that it was ended.
        """
        from head.apart import ChildTrainer

        def go_on() -> None:
            self._require_service()
            check()

        with ChildTrainer(self._beside) as trainer:
            return retrain(
                self._store,
                options,
                tell=tell,
                check=go_on,
                train=trainer.train,
                allocate=trainer.allocate,
            ).to_dict()

    def stop(self) -> None:
        """End a run, and start none any more: nothing half-done becomes active."""
        self._stopped.set()

    def _require_service(self) -> None:
        if self._stopped.is_set():
            raise StoreError("the process that worked on the store ended before it was done")
