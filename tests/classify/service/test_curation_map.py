"""The map of a gallery over HTTP."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from holotype.references import Where
from holotype.store.port import VectorStore
from tests.classify.service.conftest import Serve
from tests.running import PATIENCE_S, Running

PATH = "/v1/curate/map"


def current(running: Running) -> dict[str, Any]:
    """The map, once it is of the gallery as it is."""
    running.http.post(PATH)
    deadline = time.monotonic() + PATIENCE_S
    while not (said := running.http.get(PATH).json())["current"]:
        assert said["state"] != "failed", said["error"]
        assert time.monotonic() < deadline, said
    return dict(said["result"])


def test_map__stays_where_it_is_while_labels_change(serve: Serve, own_store: VectorStore) -> None:
    """Nothing before it is asked for; a new label moves nothing, what left is gone."""
    running = serve()
    first = running.http.get(PATH)
    assert (first.status_code, first.json()["result"]) == (200, None)
    before = current(running)
    assert before["labels"] == ["blue", "green", "red"]
    assert len(before["ids"]) == 18
    own_store.relabel("pink", where=Where.equal("label", "red"))
    own_store.remove(ids=before["ids"][:1])
    after = current(running)
    assert "pink" in after["labels"]
    for name in ("ids", "x", "y"):
        assert after[name] == before[name][1:]


def test_map__with_a_metadata_key(serve: Serve, own_store: VectorStore) -> None:
    """Its values by reference; a key that nobody has is refused by name."""
    running = serve()
    ids = current(running)["ids"]
    meta = running.http.get(PATH, params={"meta": "site"}).json()["result"]["meta"]
    assert (meta["key"], meta["names"]) == ("site", ["A", "B"])
    sites = [meta["names"][code] for code in meta["codes"]]
    assert sites == [reference.meta["site"] for reference in own_store.get(ids)]
    refused = running.http.get(PATH, params={"meta": "colour"})
    assert refused.status_code == 422
    assert "unknown filter key 'colour'" in refused.json()["detail"]


def test_map__without_the_library(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job fails by a word that names the extra; the service goes on."""
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    running = serve()
    running.http.post(PATH)
    deadline = time.monotonic() + PATIENCE_S
    while (said := running.http.get(PATH).json())["state"] == "running":
        assert time.monotonic() < deadline, said
    assert (said["state"], said["result"]) == ("failed", None)
    assert "pip install 'holotype[map]'" in said["error"]
    assert running.http.get("/readyz").status_code == 200
