"""`GET /v1/export`: a gallery's vectors as an Arrow stream, as any program reads it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from classify.service import downloads
from holotype import transport
from holotype.arrow import STREAM_TYPE
from holotype.errors import ServiceError, StoreMoved, UsageError
from holotype.references import VectorBatch, Where
from holotype.store.port import WHENEVER, VectorStore
from tests.classify.conftest import picture
from tests.classify.service.conftest import Serve
from tests.running import Running


def whole(batches: Iterator[VectorBatch]) -> tuple[list[str], list[str], list[str | None], bytes]:
    """Ids, labels, groups and vectors of all batches."""
    found = list(batches)
    return (
        [id_ for batch in found for id_ in batch.ids],
        [label for batch in found for label in batch.labels],
        [group for batch in found for group in batch.groups],
        b"".join(batch.vectors.tobytes() for batch in found),
    )


def test_export__any_arrow_reads_it(reading: Running) -> None:
    """Type, length, columns and the space; vectors bit for bit as stored."""
    response = reading.http.get("/v1/export", params={"where": "label=red"})
    assert response.headers["content-type"] == STREAM_TYPE
    assert int(response.headers["content-length"]) == len(response.content)
    table = pa.ipc.open_stream(response.content).read_all()
    store = reading.service.store
    assert table.column_names == ["id", "vector", "label", "group"]
    assert table.schema.metadata[b"gallery"] == b"default"
    assert json.loads(table.schema.metadata[b"fingerprint"]) == store.fingerprint.to_dict()
    (own,) = store.export(where=Where.equal("label", "red"))
    assert table["id"].to_pylist() == own.ids
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), own.vectors)


def test_export__through_the_client(service: Running) -> None:
    """What the store itself exports, groups too; what cannot be filtered by is said."""
    store = service.service.store
    form = {"label": "red", "group": "specimen 1"}
    file = {"images": ("a.png", picture("red", 950))}
    service.http.post("/v1/references", data=form, files=file)
    with service.client() as client:
        assert whole(client.export()) == whole(store.export())
        assert "specimen 1" in whole(client.export())[2]
        assert whole(client.export(where=Where.parse(["label=none"])))[0] == []
        with pytest.raises(UsageError, match="unknown filter key"):
            next(client.export(where=Where.parse(["lens=1"])))


def test_export__looking_is_enough(serve_shared: Serve) -> None:
    """A read key may; without any nobody may. HEAD says the size alone."""
    http = serve_shared(keys="read:look-look-look-look-look-look").http
    key = {"X-API-Key": "look-look-look-look-look-look"}
    assert http.get("/v1/export").status_code == 401
    head, got = (http.request(m, "/v1/export", headers=key) for m in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"] != "0"


def test_export__references_that_come_meanwhile(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never half of it: 503 with a time to come back, and the client does; then it is whole."""
    store, times = service.service.store, list[int | None]()
    steady = store.export

    def moving(*, where: Where, changed_until: int | None) -> Iterator[VectorBatch]:
        times.append(changed_until)
        yield from steady(where=where, changed_until=changed_until)
        if changed_until is None and len(times) != 4:
            raise StoreMoved("references came while they were exported")

    monkeypatch.setattr(type(store), "export", lambda _self, **asked: moving(**asked))
    monkeypatch.setattr(transport.time, "sleep", lambda _: None)
    refused = service.http.get("/v1/export")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["type"] == "urn:holotype:problem:store-moved"
    with service.client() as client:
        assert len(whole(client.export())[0]) == 18
        assert len(times) == 4
        assert len(whole(client.export(changed_until=WHENEVER))[0]) == 18
    assert times[:4] == [None] * 4
    assert times[4:] == [WHENEVER]


def test_export__that_breaks_off(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that dies while it sends is an error of the client, not a smaller gallery."""

    def broken(file: io.BytesIO) -> Iterator[bytes]:
        with file:
            file.seek(0)
            yield file.read(600)
            raise OSError("the disk is gone")

    monkeypatch.setattr(downloads, "_blocks", broken)
    with service.client() as client, pytest.raises(ServiceError, match="does not answer"):
        list(client.export())


def test_export__no_file_is_left(own_store: VectorStore, serve: Serve, tmp_path: Path) -> None:
    """What it was copied to is gone when it was sent."""
    with serve(own_store, home=tmp_path).client() as client:
        list(client.export())
    assert not [*tmp_path.glob("tmp*")]
