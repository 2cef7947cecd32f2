"""Verify and back up the gallery of a running service."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from classify.service import downloads
from holotype.errors import DiskFull, StoreError
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.edge import disk_space
from holotype.store.factory import open_store, restore_store
from holotype.store.port import VectorStore, Verification
from tests.classify.service.conftest import Serve, colour_images, images
from tests.running import Running

KEYS = "read:look-look-look-look-look-look,write:change-change-change-change"


def test_verify__through_the_service(service: Running) -> None:
    """What the store itself says."""
    with service.client() as client:
        assert client.verify() == Verification(references=18, heads=0, damages=[])
        assert client.verify(repair=True).damages == []


def test_backup__through_the_service(service: Running, tmp_path: Path) -> None:
    """The service goes on, and what is restored answers as it did."""
    file = io.BytesIO()
    with service.client() as client:
        client.backup(file)
        assert client.count() == 18
    file.seek(0)
    settings = Settings.load(home=tmp_path / "elsewhere")

    restore_store(settings, file, command="a test")

    query = service.service.store
    with open_store(settings, fingerprint=None, command="a test") as restored:
        assert restored.counts() == query.counts()
        assert restored.state() == query.state()
    assert not [*(tmp_path / "home").glob("tmp*")]


def test_backup__takes_a_write_key(own_store: VectorStore, serve: Serve) -> None:
    """A backup holds everything, and makes writes wait: looking is not enough."""
    served = serve(own_store, keys=KEYS)
    for key, status in [
        ("look-look-look-look-look-look", 403),
        ("change-change-change-change", 200),
    ]:
        for path in ("/v1/backup", "/v1/verify"):
            said = served.http.post(path, headers={"Authorization": f"Bearer {key}"})
            assert said.status_code == status


def test_backup__no_room_for_it(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is 507 with what to do."""

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads.tempfile, "TemporaryFile", full)
    with service.client() as client, pytest.raises(DiskFull, match=r"as much room .*; free some"):
        client.backup(io.BytesIO())


def test_full_disk__507_and_the_service_stays(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adding and correcting are refused with what to do; answering and removing go on."""
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 100 << 20)
    http = service.http
    item = '[{"label": "red"}]'
    added = http.post("/v1/references", files=images(b"a picture"), data={"items": item})
    new = http.post("/v1/references", files=colour_images()[:1], data={"items": item})
    first = service.service.store.list_references(limit=1).references[0]
    relabelled = http.patch(f"/v1/references/{first.id}", json={"label": "blue"})

    assert added.json()["outcomes"][0]["outcome"] == "broken"
    for said in (new, relabelled):
        assert (said.status_code, said.json()["type"]) == (507, "urn:holotype:problem:disk-full")
        assert "100 MB are free, of which 256 MB are kept" in said.json()["detail"]
    answered = http.post("/v1/classify", files=colour_images(), data={"mode": "knn"})
    assert [r["answer"]["label"] for r in answered.json()["results"]] == ["red", "green", "blue"]
    assert http.delete(f"/v1/references/{first.id}").status_code == 204
    assert http.get("/readyz").status_code == 200


def test_full_disk__the_error_of_a_client(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that goes through the service meets the same error as at the store."""
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 0)
    with service.client() as client, pytest.raises(DiskFull, match="Nothing was written") as met:
        client.relabel("blue", where=Where.equal("label", "red"))
    assert isinstance(met.value, StoreError)
