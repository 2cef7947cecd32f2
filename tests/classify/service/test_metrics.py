"""`/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from holotype.errors import EncoderError, StoreUnavailable
from holotype.images.square import Pixels
from holotype.references import Vectors
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture, publish_head
from tests.classify.service.conftest import Serve, colour_images, images
from tests.fakes import ColourEncoder
from tests.running import Running


def samples(running: Running) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the page, by name and labels."""
    page = running.http.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_metrics__what_is_counted(service: Running, own_store: VectorStore) -> None:
    """Requests, steps, batches, answers, outcomes, the gallery and the head."""
    publish_head(own_store, *COLOURS, version="20260101-000000-aaaa")
    files = [*colour_images(), ("images", ("broken.png", b"junk"))]
    service.http.post("/v1/classify", files=files)
    service.http.post("/v1/classify", files=images(picture("red", 0)), data={"mode": "linear"})
    service.http.post("/v1/references", data={"label": "red"}, files=images(picture("red", 600)))
    service.http.get("/v1/nothing/here")
    found = samples(service)

    def value(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    classify = {"method": "POST", "route": "/v1/classify"}
    assert value("holotype_requests_total", **classify, status="200") == 2
    assert value("holotype_request_seconds_count", **classify) == 2
    assert value("holotype_requests_total", method="GET", route="(none)", status="404") == 1
    assert value("holotype_step_seconds_count", step="decode") >= 4
    for step in ("encode", "search", "vote"):
        assert value("holotype_step_seconds_count", step=step) >= 1
    assert value("holotype_batch_size_sum", step="encode") == 5
    assert value("holotype_batch_size_sum", step="search") == 2
    assert value("holotype_answers_total", mode="knn", state="answered") == 3
    assert value("holotype_answers_total", mode="linear", state="answered") == 1
    assert value("holotype_broken_images_total") == 1
    assert value("holotype_outcomes_total", outcome="added") == 1
    assert value("holotype_references") == 19
    assert value("holotype_classes") == 3
    assert value("holotype_head", version="20260101-000000-aaaa") == 1
    assert value("holotype_queue_length") == 0
    assert value("holotype_queue_limit") == 256


def test_metrics__two_services_do_not_mix(serve_shared: Serve, reading: Running) -> None:
    """Each has a registry of its own."""
    running = serve_shared()
    reading.http.post("/v1/classify", files=colour_images())
    assert ("holotype_answers_total", (("mode", "knn"), ("state", "answered"))) not in samples(
        running
    )


def test_ready__encoder_and_store_work(reading: Running) -> None:
    """Both were really used."""
    ready = reading.http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ok", "encoder": "ok", "store": "ok"}


def test_ready__an_encoder_that_fails(serve_shared: Serve) -> None:
    """503 with the reason, while the process is alive; requests get a problem."""

    class Broken(ColourEncoder):
        def encode(self, _pixels: Sequence[Pixels]) -> Vectors:
            raise EncoderError("the device is gone: restart the service")

    running = serve_shared(encoder=Broken())
    ready = running.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["encoder"] == "the device is gone: restart the service"
    assert ready.json()["store"] == "ok"
    assert running.http.get("/healthz").status_code == 200
    failed = running.http.post("/v1/classify", files=colour_images())
    assert failed.status_code == 500
    assert failed.json()["detail"] == "the device is gone: restart the service"


def test_ready__a_store_that_does_not_answer(serve: Serve, own_store: VectorStore) -> None:
    """503 with the reason."""
    from classify.service.classification import TimedSearch

    class Away(TimedSearch):
        def count(self) -> int:
            raise StoreUnavailable("the server does not answer")

    running = serve(Away(own_store))
    ready = running.http.get("/readyz")
    assert (ready.status_code, ready.json()["store"]) == (503, "the server does not answer")
