"""Under load: a full queue, clients that leave, the same answers, no mixture, a clean end."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from head.versions import registry
from holotype.client import Outgoing
from holotype.errors import ServiceError
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture, publish_head
from tests.classify.service.conftest import GatedEncoder, Serve, images
from tests.fakes import ColourEncoder
from tests.running import PATIENCE_S, Running


def ask(running: Running, data: bytes, **options: str) -> httpx.Response:
    """Classify one picture; concurrent calls have a connection each."""
    return running.http.post("/v1/classify", files=images(data), data=options)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def test_queue__full_is_said_at_once(serve_shared: Serve) -> None:
    """503 with Retry-After while the places are taken; the same request succeeds later."""
    encoder = GatedEncoder()
    running = serve_shared(encoder=encoder, queue_length=2)
    with ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(ask, running, picture("red", n)) for n in (70, 71)]
        until(lambda: running.service.places.taken == 2)
        refused = ask(running, picture("red", 72))
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:holotype:problem:queue-full"
        assert "2 of 2 images are under way" in refused.json()["detail"]
        adding = running.http.post(
            "/v1/references", data={"label": "red"}, files=images(picture("red", 73))
        )
        assert adding.status_code == 503
        encoder.open.set()
        assert [w.result().status_code for w in waiting] == [200, 200]
    assert ask(running, picture("red", 72)).status_code == 200
    assert running.service.places.taken == 0
    assert "holotype_refused_total 2.0" in running.http.get("/metrics").text


def test_queue__the_client_waits_for_a_busy_service(serve_shared: Serve) -> None:
    """The project's client asks again as it was told to, and gives up with the reason."""
    encoder = GatedEncoder()
    running = serve_shared(encoder=encoder, queue_length=1)
    with ThreadPoolExecutor(2) as clients, running.client() as client:
        first = clients.submit(ask, running, picture("red", 74))
        until(lambda: running.service.places.taken == 1)
        patient = clients.submit(client.classify, [Outgoing("q.png", picture("blue", 74))], {})
        until(lambda: "holotype_refused_total 0.0" not in running.http.get("/metrics").text)
        client._transport._patience_s = 0
        with pytest.raises(ServiceError, match="the service is busy") as caught:
            client.classify([Outgoing("r.png", picture("red", 75))], {})
        assert caught.value.status == 503
        encoder.open.set()
        assert first.result().status_code == 200
        assert patient.result()[0]["answer"]["label"] == "blue"


def test_client_gone__frees_its_place(serve_shared: Serve) -> None:
    """A client that hangs up gives its place back, and its picture is never encoded."""
    encoder = GatedEncoder(batch_size=1)
    running = serve_shared(encoder=encoder, queue_length=2)
    with ThreadPoolExecutor(1) as clients:
        stays = clients.submit(ask, running, picture("red", 76))
        encoder.begun()
        leaver = _send_and_keep_open(running, picture("green", 76))
        until(lambda: running.service.places.taken == 2)
        leaver.close()
        until(lambda: running.service.places.taken == 1)
        encoder.open.set()
        assert stays.result().json()["results"][0]["answer"]["label"] == "red"
    until(lambda: running.service.places.taken == 0)
    assert encoder.images_encoded == 1
    assert "holotype_clients_gone_total 1.0" in running.http.get("/metrics").text


def test_client_gone__in_the_middle_of_its_upload(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """It leaves no place taken and no traceback in the log."""
    connection = _send_and_keep_open(service, picture("red", 80), all_but=100)
    connection.close()
    found = 'route="/v1/classify"'
    until(lambda: found in service.http.get("/metrics").text)
    assert service.service.places.taken == 0
    assert [record for record in caplog.records if record.exc_info] == []


def test_answers__the_same_under_64_clients(serve_shared: Serve) -> None:
    """Whatever shares a batch, every answer is the one that the picture gets alone."""
    running = serve_shared(encoder=ColourEncoder(batch_size=16))
    pictures = [picture(colour, seed) for colour in COLOURS for seed in range(300, 316)]

    def answer(data: bytes) -> Any:
        response = ask(running, data, k="7")
        assert response.status_code == 200, response.text
        return response.json()["results"][0]["answer"]

    alone = [answer(data) for data in pictures]
    with ThreadPoolExecutor(64) as clients:
        together = list(clients.map(answer, pictures * 4))
    assert together == alone * 4
    assert _largest_batch(running) > 1, "nothing was batched: the test shows nothing"


def test_head__swapped_under_load_without_a_mixture(serve: Serve, own_store: VectorStore) -> None:
    """While heads are promoted to and fro, every request is answered by exactly one of them."""
    running = serve()
    names = dict(zip(COLOURS, ("rot", "gruen", "blau"), strict=True))
    old = publish_head(own_store, *COLOURS, version="20260101-000000-aaaa")
    own_store.save_head(_renamed(old, "20260101-000001-bbbb", names).to_stored())
    # Labels of both heads are in the gallery, so either may answer.
    for colour, name in names.items():
        first = own_store.list_references(limit=100).references
        id_ = next(r.id for r in first if r.label == colour)
        own_store.relabel(name, ids=[id_])
    stop = threading.Event()
    seen: list[tuple[str, tuple[str, ...]]] = []

    def keep_asking() -> None:
        files = images(*(picture(colour, 320) for colour in COLOURS))
        while not stop.is_set():
            response = running.http.post("/v1/classify", files=files, data={"mode": "linear"})
            assert response.status_code == 200, response.text
            answers = [r["answer"] for r in response.json()["results"]]
            assert len({a["head"] for a in answers}) == 1
            seen.append((answers[0]["head"], tuple(a["label"] for a in answers)))

    with ThreadPoolExecutor(8) as clients:
        asking = [clients.submit(keep_asking) for _ in range(8)]
        for turn in range(20):
            version = (old.version, "20260101-000001-bbbb")[turn % 2]
            registry.promote(own_store, version)
            enough = len(seen) + 16
            until(lambda enough=enough: len(seen) >= enough or any(map(Future.done, asking)))
        stop.set()
        for future in asking:
            future.result()
    expected = {old.version: tuple(COLOURS), "20260101-000001-bbbb": tuple(names.values())}
    assert {head for head, _ in seen} == set(expected)
    assert all(labels == expected[head] for head, labels in seen)


def test_shutdown__finishes_what_it_accepted(serve: Serve) -> None:
    """A request that is under way when the service is ended gets its answer."""
    encoder = GatedEncoder()
    running = serve(encoder=encoder)
    with ThreadPoolExecutor(3) as threads:
        classifying = threads.submit(ask, running, picture("red", 77))
        adding = threads.submit(
            running.http.post,
            "/v1/references",
            data={"label": "red"},
            files=images(picture("red", 78)),
        )
        until(lambda: running.service.places.taken == 2)
        ending = threads.submit(running.end)
        until(lambda: not _accepts(running))
        assert not ending.done()
        encoder.open.set()
        assert classifying.result().json()["results"][0]["answer"]["label"] == "red"
        assert adding.result().json()["outcomes"][0]["outcome"] == "added"
        ending.result()
    assert running.service.store.count() == 19


def test_event_loop__stays_free_while_the_encoder_works(serve_shared: Serve) -> None:
    """Health and reading go on while every encoder thread is busy."""
    encoder = GatedEncoder()
    running = serve_shared(encoder=encoder)
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(ask, running, picture("red", 79))
        encoder.begun()
        assert running.http.get("/healthz").status_code == 200
        assert running.http.get("/v1/classes").status_code == 200
        encoder.open.set()
        assert waiting.result().status_code == 200


def test_large_request__one_client_many_images(serve_shared: Serve) -> None:
    """A request of as many images as are allowed is answered whole and in order."""
    running = serve_shared()
    colours = [list(COLOURS)[n % 3] for n in range(64)]
    files = images(*(picture(colour, 400 + n) for n, colour in enumerate(colours)))
    results = running.http.post("/v1/classify", files=files).json()["results"]
    assert [r["answer"]["label"] for r in results] == colours


def _send_and_keep_open(running: Running, data: bytes, *, all_but: int = 0) -> socket.socket:
    """Send a request on a plain socket, but its last bytes, and do not wait for the answer."""
    request = httpx.Request("POST", f"{running.url}/v1/classify", files=images(data))
    body = request.read()
    head = "POST /v1/classify HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items()
    )
    url = httpx.URL(running.url)
    connection = socket.create_connection((url.host, url.port or 80))
    connection.sendall(head.encode() + b"\r\n" + body[: len(body) - all_but])
    return connection


def _renamed(head: Any, version: str, names: dict[str, str]) -> Any:
    from dataclasses import replace

    labels = tuple(names[label] for label in head.labels)
    return replace(head, labels=labels, record=replace(head.record, version=version, labels=labels))


def _accepts(running: Running) -> bool:
    url = httpx.URL(running.url)
    try:
        socket.create_connection((url.host, url.port or 80), timeout=1).close()
    except OSError:
        return False
    return True


def _largest_batch(running: Running) -> float:
    """An upper bound of the largest batch that the encoder was given, from the metrics."""
    found = re.findall(
        r'holotype_batch_size_bucket\{le="([^"]+)",step="encode"\} (\S+)',
        running.http.get("/metrics").text,
    )
    counts = {float(le): float(count) for le, count in found}
    return min(le for le, count in counts.items() if count == max(counts.values()))
