"""Curation over HTTP: found once for a state of the gallery, and nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from classify.service.curation import Curation
from classify.service.still_open import open_suspects
from curate import work
from curate.view import GalleryView
from head.steps import Standing, Tell
from holotype.store.port import VectorStore
from tests.classify.service.conftest import Serve
from tests.running import PATIENCE_S, Running

PATH = "/v1/curate/suspects"


class Gate:
    """Work that goes on when it is let, and counts how often it was done."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Semaphore(0)
        self.runs = 0

    def __call__(
        self, view: GalleryView, _options: Mapping[str, Any], tell: Tell
    ) -> dict[str, Any]:
        """How many there are of each label."""
        self.runs += 1
        tell(Standing("counting", 0.5))
        self.entered.release()
        assert self.open.wait(PATIENCE_S)
        return {"cohorts": [], "references": len(view), "run": self.runs}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """In the place of looking for suspects."""
    stand_in = Gate()
    monkeypatch.setitem(work.WORK, "suspects", stand_in)
    return stand_in


def settled(running: Running, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What is said once it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so(said := running.http.get(PATH).json()):
        assert time.monotonic() < deadline, said
    return dict(said)


def test_suspects__from_nothing_to_a_result(serve: Serve, gate: Gate) -> None:
    """Nothing is known, then it runs (202, once), then it is there, and is not found again."""
    running = serve()
    first = running.http.get(PATH)
    assert (first.status_code, first.json()["state"], first.json()["result"]) == (200, "idle", None)
    assert running.http.post(PATH).status_code == 202
    assert gate.entered.acquire(timeout=PATIENCE_S)
    again = running.http.post(PATH)
    assert again.status_code == running.http.get(PATH).status_code == 202
    assert (again.json()["step"], again.json()["percent"]) == ("counting", 50.0)
    gate.open.set()
    done = settled(running, lambda said: said["state"] == "done")
    assert done["current"] is True
    assert done["result"] == {"cohorts": [], "less_likely": [], "references": 18, "run": 1}
    same = running.http.post(PATH)
    assert (same.status_code, same.json()["state"], gate.runs) == (200, "done", 1)


def test_suspects__of_an_older_gallery(serve: Serve, gate: Gate, own_store: VectorStore) -> None:
    """After a change it is shown as older, also while it is looked for anew."""
    running = serve()
    gate.open.set()
    running.http.post(PATH)
    settled(running, lambda said: said["state"] == "done")
    (one, *_) = own_store.list_references(limit=1).references
    own_store.remove(ids=[one.id])
    stale = running.http.get(PATH).json()
    assert (stale["current"], stale["result"]["references"]) == (False, 18)
    gate.open.clear()
    while_running = running.http.post(PATH)
    assert while_running.status_code == 200
    assert while_running.json()["state"] == "running"
    assert while_running.json()["result"]["references"] == 18
    gate.open.set()
    fresh = settled(running, lambda said: said["current"])
    assert fresh["result"]["references"] == 17


def test_suspects__that_cannot_be_found(serve: Serve, own_store: VectorStore) -> None:
    """The reason is said, and the service goes on."""
    for label in list(own_store.counts()):
        own_store.remove(ids=[r.id for r in own_store.list_references(limit=100).references])
        assert label not in own_store.counts()
    running = serve(in_process=True)
    running.http.post(PATH)
    failed = settled(running, lambda said: said["state"] == "failed")
    assert "holds no references: add some with `ingest add` first" in failed["error"]
    assert failed["error_type"] == "urn:holotype:problem:empty-gallery"
    assert running.http.get("/readyz").status_code == 200


def test_keys__who_may_read_may_look(serve: Serve, gate: Gate) -> None:
    """Nothing is changed by it."""
    gate.open.set()
    running = serve(keys="read:" + "r" * 16)
    headers = {"Authorization": "Bearer " + "r" * 16}
    assert running.http.post(PATH).status_code == 401
    assert running.http.post(PATH, headers=headers).status_code in {200, 202}
    assert running.http.get("/v1/curate/misers", headers=headers).status_code == 422


def test_close__ends_a_job(own_store: VectorStore) -> None:
    """One that would go on for ever ends with the service, and nothing is kept of it."""
    entered = threading.Event()

    def forever(_kind: str, _options: Any, *, tell: Tell, look: Callable[[], None]) -> Any:
        tell(Standing("turning", 0.1))
        entered.set()
        while True:
            look()

    curation = Curation(own_store, forever)
    assert curation.start("suspects", {}).progress.state == "running"
    assert entered.wait(PATIENCE_S)
    curation.close()
    ended = curation.look("suspects", {})
    assert (ended.progress.state, ended.result) == ("failed", None)
    assert ended.progress.error == "the service ended before the work was done: nothing was changed"


def test_open_suspects__what_is_still_to_be_decided(own_store: VectorStore) -> None:
    """Relabelled, kept and removed ones have left; who is wrong less likely than not is apart."""
    page = own_store.list_references(limit=50).references
    reds = [reference.id for reference in page if reference.label == "red"]
    shares = (0.6, 0.2, 0.9, 0.8, 0.7, 0.95)
    members = [
        {"id": id_, "label": "red", "mark": "m", "p_wrong": p}
        for id_, p in zip(reds, shares, strict=True)
    ]
    found = {"cohorts": [{"label": "red", "proposed": "blue", "members": members}]}
    own_store.relabel("blue", ids=[reds[2]])
    own_store.dismiss({reds[3]: "m", reds[4]: "other evidence"})
    own_store.remove(ids=[reds[5]])
    left = open_suspects(own_store, found)
    (likely,), (less,) = left["cohorts"], left["less_likely"]
    assert [m["id"] for m in likely["members"]] == [reds[0], reds[4]]
    assert [m["id"] for m in less["members"]] == [reds[1]]
    assert (likely["expected"], less["expected"]) == (pytest.approx(1.3), 0.2)


def test_duplicates__across_what_nobody_has(serve: Serve) -> None:
    """A key that no reference carries is said, with those that there are."""
    running = serve()
    path = "/v1/curate/duplicates"
    running.http.post(path)
    deadline = time.monotonic() + PATIENCE_S
    while running.http.get(path).json()["state"] == "running":
        assert time.monotonic() < deadline
    assert running.http.get(path, params={"between": "site"}).json()["result"]["sets"] == []
    refused = running.http.get(path, params={"between": "split"})
    assert refused.status_code == 422
    assert "unknown filter key 'split'" in refused.json()["detail"]
