"""The service on a Qdrant server that others work on, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stamina

from head.versions import registry
from holotype.settings import Settings
from holotype.store.factory import open_store
from tests.classify.conftest import COLOURS, ColourGallery, picture, publish_head
from tests.classify.service.conftest import images
from tests.classify.service.test_load import until
from tests.holotype.store.faults import Fault
from tests.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holotype.store.port import VectorStore
    from tests.holotype.store.qdrant_http import QdrantHttp


@pytest.fixture
def two_stores(
    qdrant_http: QdrantHttp, empty_gallery: ColourGallery
) -> Iterator[tuple[VectorStore, VectorStore]]:
    """The service's store, and another one on the same server: the cron job's."""
    settings = Settings.load(qdrant_url=qdrant_http.url)
    space = empty_gallery.encoder.fingerprint
    with (
        open_store(settings, fingerprint=space, command="serve", create=True) as here,
        open_store(settings, fingerprint=space, command="retrain") as there,
    ):
        here.add(
            [
                empty_gallery.reference(picture(colour, seed), colour)
                for colour in COLOURS
                for seed in range(4)
            ]
        )
        yield here, there


def test_head__published_by_another_process(two_stores: tuple[VectorStore, VectorStore]) -> None:
    """What the cron job promotes or rolls back answers within a second or so."""
    here, there = two_stores
    asked = {"files": images(picture("red", 50)), "data": {"mode": "linear"}}
    with running(here) as service:
        assert service.http.post("/v1/classify", **asked).status_code == 409

        def answering() -> str | None:
            results = service.http.post("/v1/classify", **asked).json().get("results")
            return results[0]["answer"]["head"] if results else None

        versions = ["20260101-000000-aaaa", "20260101-000001-bbbb"]
        for version in versions:
            publish_head(there, *COLOURS, version=version)
            until(lambda version=version: answering() == version)
        registry.rollback(there)
        until(lambda: answering() == versions[0])
        assert f'holotype_head{{version="{versions[0]}"}} 1.0' in service.http.get("/metrics").text


def test_store__that_goes_away(
    two_stores: tuple[VectorStore, VectorStore], qdrant_http: QdrantHttp
) -> None:
    """While the server refuses, requests get 503 and readiness says why; then all is well again."""
    here, _ = two_stores
    with running(here) as service:
        qdrant_http.faults.add(Fault.UNAVAILABLE_503, on="*", times=10_000)
        with stamina.set_testing(True):
            answer = service.http.post("/v1/classify", files=images(picture("red", 51)))
            assert answer.status_code == 503
            assert "retry-after" in answer.headers
            assert answer.json()["type"] == "urn:holotype:problem:store-unavailable"
            assert service.http.get("/readyz").status_code == 503
            assert service.http.get("/healthz").status_code == 200
        qdrant_http.faults.clear()
        answer = service.http.post("/v1/classify", files=images(picture("red", 51)))
        assert answer.json()["results"][0]["answer"]["label"] == "red"
