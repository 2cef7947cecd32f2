"""The retrain job of a service that is ended: no half-done head, no process, no lease."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from classify.service.training import TrainingProcess
from head import apart
from head.options import RetrainOptions
from head.steps import Standing
from holotype.errors import HolotypeError
from holotype.store.port import VectorStore

PATIENCE_S = 60


def nobody() -> None:
    """Nobody cancels the run."""


def assert_nothing_is_left(store: VectorStore) -> None:
    """Neither a head nor the right to make one."""
    assert store.heads() == []
    assert store.acquire_lease("retrain", holder="next", seconds=1).holder == "next"


def test_stop__while_the_child_trains(
    own_store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that would train for ever is ended, and waited for; none is started any more."""
    said = json.dumps({"step": "hanging", "share": 0.5})
    hanging = f"import time; print({said!r}, flush=True); time.sleep(1000)"
    monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", hanging))
    job = TrainingProcess(own_store)

    def stop(standing: Standing) -> None:
        if standing.step == "hanging":
            job.stop()

    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(job.run, RetrainOptions(), stop, nobody)
        with pytest.raises(HolotypeError, match="ended before it was done"):
            run.result(PATIENCE_S)
    with pytest.raises(HolotypeError, match="ended before it was done"):
        job.run(RetrainOptions(), stop, nobody)
    assert_nothing_is_left(own_store)


def test_stop__before_the_child_starts(own_store: VectorStore) -> None:
    """A run that has exported and is stopped starts no child, or ends it at once."""
    job = TrainingProcess(own_store)
    with pytest.raises(HolotypeError, match="ended before it was done"):
        job.run(RetrainOptions(), lambda _standing: job.stop(), nobody)
    assert_nothing_is_left(own_store)
