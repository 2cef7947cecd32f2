"""Ingest into a Qdrant server that fails on purpose: nothing lost, nothing doubled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from holotype.errors import StoreUnavailable
from holotype.fingerprint import Fingerprint
from holotype.intake.folders import Folders
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from holotype.settings import Settings
from holotype.store.server import ServerStore
from ingest.adding import add
from tests.holotype.store.faults import PASSING, Fault
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.holotype.store.server_engines import AT_ONCE
from tests.image_files import make_tree
from tests.ingest.conftest import Worker

SHORT_S = 0.5
"""How long the client waits for an answer here."""


@pytest.fixture
def server_worker(qdrant_http: QdrantHttp, fingerprint: Fingerprint) -> Worker:
    """A worker on a gallery of the HTTP app."""
    settings = Settings.load(qdrant_url=qdrant_http.url, qdrant_timeout=SHORT_S)
    store = ServerStore.open(settings, fingerprint=fingerprint, create=True, policy=AT_ONCE)
    return Worker(store)


@pytest.mark.parametrize("fault", PASSING)
def test_add__outlasts_a_failure_that_passes(
    server_worker: Worker, qdrant_http: QdrantHttp, images: Path, fault: Fault
) -> None:
    """Asking and writing both fail once: the run goes on, each reference is there once."""
    make_tree(images, {"bee": [*range(30)], "wasp": [*range(30, 50)]})
    qdrant_http.faults.add(fault, on="retrieve", skip=1)
    qdrant_http.faults.add(fault, on="upsert", skip=1)
    run = server_worker.add(Folders([images]))
    assert {operation for _, operation in qdrant_http.faults.happened} == {"retrieve", "upsert"}
    assert run.outcomes == [Outcome.ADDED] * 50
    assert server_worker.store.counts() == {"bee": 30, "wasp": 20}
    assert server_worker.encoder.images_encoded == 50


@pytest.mark.parametrize("fault", PASSING)
def test_add__relabelling_outlasts_a_failure_that_passes(
    server_worker: Worker, qdrant_http: QdrantHttp, images: Path, fault: Fault
) -> None:
    """With `replace` the last label is there, although the change failed at first."""
    make_tree(images, {"bee": [1, 2, 3]})
    server_worker.add(Folders([images]))
    qdrant_http.faults.add(fault, on="set_payload")
    run = server_worker.add(Folders([images], label="fly"), on_conflict=OnConflict.REPLACE)
    assert qdrant_http.faults.happened == [(fault, "set_payload")]
    assert run.outcomes == [Outcome.RELABELLED] * 3
    assert server_worker.store.counts() == {"fly": 3}


@pytest.mark.parametrize("done_before", [0, 1, 2], ids=["at once", "after one", "after two"])
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST_ANSWER])
def test_add__a_server_that_stays_away_ends_the_run(
    server_worker: Worker, qdrant_http: QdrantHttp, images: Path, fault: Fault, done_before: int
) -> None:
    """The run ends with the reason; what was said is true, and the next run finishes the work."""
    make_tree(images, {"bee": [*range(80)]})
    qdrant_http.faults.add(fault, on="upsert", skip=done_before, times=1_000)
    said: list[FileOutcome] = []
    with pytest.raises(StoreUnavailable):
        add(Folders([images]), server_worker.backend(), workers=2, listen=said.append)
    qdrant_http.faults.clear()
    qdrant_http.listen()
    ids = [outcome.id or "" for outcome in said]
    assert {outcome.outcome for outcome in said} <= {Outcome.ADDED}
    assert set(server_worker.store.existing(ids)) == set(ids)
    run = server_worker.add(Folders([images]))
    assert Counter(run.outcomes).keys() <= {Outcome.ADDED, Outcome.ALREADY_PRESENT}
    assert server_worker.store.counts() == {"bee": 80}
