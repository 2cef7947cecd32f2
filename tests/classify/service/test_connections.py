"""Clients that are slow, silent or too many, on plain sockets: none holds up the service."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest

from classify.service import connections
from tests.classify.conftest import picture
from tests.classify.service.conftest import GatedEncoder, Serve, images
from tests.classify.service.test_load import until
from tests.running import PATIENCE_S, Running

SOON_S = 0.2
"""A short patience of the service, for clients that use it up."""

HALF_A_HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\n"
HEAD = HALF_A_HEAD + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'


@pytest.fixture
def connect() -> Iterator[Any]:
    """Opens plain connections, and closes them at the end."""
    with ExitStack() as opened:

        def start(running: Running, sent: bytes = b"", *, buffer: int = 0) -> socket.socket:
            connection = opened.enter_context(closing(socket.socket()))
            if buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            connection.settimeout(PATIENCE_S)
            url = httpx.URL(running.url)
            connection.connect((url.host, url.port))
            connection.sendall(sent)
            return connection

        yield start


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, or resets what was still sent to it."""
    received = b""
    try:
        while piece := connection.recv(1 << 16):
            received += piece
    except ConnectionResetError:
        pass
    return received


def answer_of(connection: socket.socket) -> bytes:
    """A head and the start of its body; the connection stays."""
    received = b""
    while b"\r\n\r\n" not in received or received.endswith(b"\r\n\r\n"):
        piece = connection.recv(1 << 16)
        assert piece, received
        received += piece
    return received


@pytest.mark.parametrize(
    "sent", [HALF_A_HEAD, HEAD % 1000, HEAD % 1000 + b"--b\r\n"], ids=["head", "body", "form"]
)
def test_half_a_request__is_not_waited_for(serve_shared: Serve, connect: Any, sent: bytes) -> None:
    """408 and the end of the connection, within the patience; its place is free again."""
    running = serve_shared(client_timeout=SOON_S)
    answer = rest_of(connect(running, sent))
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n")
    assert b"the rest of the request did not come in time" in answer
    until(lambda: running.service.places.taken == 0)


def test_no_http__is_a_problem_too(reading: Running, connect: Any) -> None:
    """What cannot be read as a request gets the answer that every refusal has."""
    for sent in (b"\0\0\0\r\n\r\n", HALF_A_HEAD + b"Transfer-Encoding: 1k;K\r\n\r\n"):
        answer = rest_of(connect(reading, sent))
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n")
        assert b"content-type: application/problem+json" in answer
        assert b"urn:holotype:problem:not-http" in answer


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_idle__is_closed(serve_shared: Serve, connect: Any, sent: bytes) -> None:
    """A connection on which nothing is asked, or nothing more, ends without another word."""
    running = serve_shared(client_timeout=SOON_S)
    assert rest_of(connect(running, sent)).count(b"HTTP/1.1") == bool(sent)


def test_body__by_drops_is_too_slow(serve_shared: Serve, connect: Any) -> None:
    """A byte now and then is no progress: the clock is set by 16 KiB, not by a byte."""
    running = serve_shared(client_timeout=SOON_S)
    connection = connect(running, HEAD % 100_000 + PART)
    stop = threading.Event()

    def drip() -> None:
        try:
            while not stop.wait(SOON_S / 10):
                connection.sendall(b"-")
        except OSError:
            return  # it was closed, as it should be

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert rest_of(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    finally:
        stop.set()
        dripping.join()


def test_body__that_comes_in_pieces_is_waited_for(
    serve_shared: Serve, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each 16 KiB set the clock anew, fewer do not: slow lines are served."""
    set_again = threading.Semaphore(0)
    set_clock = connections._Clock.set

    def spy(clock: connections._Clock) -> None:
        set_clock(clock)
        set_again.release()

    running = serve_shared()
    body = PART + b"x" * 4 * connections.PIECE + b"\r\n--b--\r\n"
    monkeypatch.setattr(connections._Clock, "set", spy)
    connection = connect(running, HEAD % len(body))
    for _ in ("the connection", "the head"):
        assert set_again.acquire(timeout=PATIENCE_S)
    sent = 0
    for _ in range(4):
        connection.sendall(body[sent : sent + connections.PIECE - 1])
        assert not set_again.acquire(blocking=False)
        connection.sendall(body[sent + connections.PIECE - 1 : sent + connections.PIECE])
        assert set_again.acquire(timeout=PATIENCE_S)
        sent += connections.PIECE
    connection.sendall(body[sent:])
    assert answer_of(connection).startswith(b"HTTP/1.1 200")


def test_answer__that_is_not_taken(serve_shared: Serve, connect: Any) -> None:
    """Who asks and never reads loses the connection; what was to be sent is let go."""
    running = serve_shared(client_timeout=SOON_S)
    before = len(running.server.server_state.connections)
    asking = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
    connection = connect(running, asking, buffer=4096)
    until(lambda: len(running.server.server_state.connections) > before)
    until(lambda: len(running.server.server_state.connections) <= before)
    connection.close()
    assert running.http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("options", "headers", "status"),
    [
        ({"max_body_mb": 1}, b"Content-Length: 99999999\r\n", b"413"),
        ({"keys": "read:" + "r" * 16}, b"Content-Length: 99\r\n", b"401"),
        (
            {"keys": "read:" + "r" * 16},
            b"X-API-Key: rrrrrrrrrrrrrrrr\r\nContent-Length: 99\r\n",
            b"403",
        ),
        ({}, b"Content-Length: 99\r\nOrigin: https://evil.example\r\n", b"403"),
        ({"keys": "read:" + "r" * 16}, b"Transfer-Encoding: chunked\r\n", b"401"),
    ],
    ids=["too large", "no key", "smaller key", "other page", "unknown length"],
)
def test_refusal__of_an_unread_body_ends_the_connection(
    serve_shared: Serve, connect: Any, options: dict[str, Any], headers: bytes, status: bytes
) -> None:
    """The answer comes at once and whole; what is still sent is nobody's next request."""
    head = HALF_A_HEAD.replace(b"classify", b"references")
    connection = connect(serve_shared(**options), head + headers + b"\r\n")
    answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in answer
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)
    assert rest_of(connection).count(b"HTTP/1.1 200") == 0


def test_refusal__of_a_whole_request_keeps_the_connection(
    serve_shared: Serve, connect: Any
) -> None:
    """Nothing is left of it that could be mistaken."""
    asking = b"GET /v1/gallery HTTP/1.1\r\nHost: localhost\r\n\r\n"
    connection = connect(serve_shared(keys="read:" + "r" * 16), asking)
    assert answer_of(connection).startswith(b"HTTP/1.1 401")
    connection.sendall(asking)
    assert answer_of(connection).startswith(b"HTTP/1.1 401")


def test_uploads__are_bounded_in_number_before_they_are_read(
    serve_shared: Serve, connect: Any
) -> None:
    """Two that are under way fill two places; the third is told so without its body being read."""
    running = serve_shared(queue_length=2)
    slow = [connect(running, HEAD % 1000) for _ in range(2)]
    until(lambda: running.service.places.taken == 2)
    answer = answer_of(connect(running, HEAD % 1000))
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in answer
    assert b"2 of 2 images are under way" in answer
    for connection in slow:
        connection.close()
    until(lambda: running.service.places.taken == 0)
    asked = running.http.post("/v1/classify", files=images(picture("red", 950)))
    assert asked.status_code == 200


def test_upload__takes_places_by_its_size(serve_shared: Serve, connect: Any) -> None:
    """Memory is bounded, not only the count; a body that does not say may be the largest."""
    running = serve_shared(queue_length=8, max_body_mb=4)
    connect(running, HEAD % (3 << 20))
    until(lambda: running.service.places.taken == 3)
    connect(running, HEAD.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked"))
    until(lambda: running.service.places.taken == 7)


def test_connections__beyond_the_limit_the_idle_give_way(serve_shared: Serve, connect: Any) -> None:
    """Strangers who only hold connections keep nobody out."""
    running = serve_shared(max_connections=4)
    silent = [connect(running) for _ in range(20)]
    for n in range(3):
        asked = connect(running, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer_of(asked).startswith(b"HTTP/1.1 200"), n
    assert len(running.server.server_state.connections) <= 4
    assert rest_of(silent[0]) == b""


def test_end__waits_for_no_client(
    serve_shared: Serve,
    connect: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Half a head, half a body, an answer that is not taken, work that has not begun: no matter.

    The end comes by itself, and nothing about it looks like a fault of the service.
    """
    monkeypatch.setattr(connections, "GRACE_S", SOON_S)
    encoder = GatedEncoder(batch_size=1)
    running = serve_shared(encoder=encoder)
    for sent in (HALF_A_HEAD, HEAD % 1000, HEAD % 1000 + b"--b\r\n"):
        connect(running, sent)
    connect(running, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500, buffer=4096)
    encoding = running.service._encoder
    assert encoding is not None
    asking = connect(running, upload(running, "classify", 3))
    encoder.begun()
    adding = connect(running, upload(running, "references", 3))
    until(lambda: encoding.queued == 5)
    with caplog.at_level(logging.ERROR):
        running.server.should_exit = True
        assert rest_of(asking) + rest_of(adding) == b""
        until(lambda: encoding.queued == 0)
        encoder.open.set()
        running.end()
    assert [record.getMessage() for record in caplog.records] == []
    assert not encoder.entered.acquire(blocking=False), "what nobody waits for was begun"
    assert running.service.store.count() == 18


def upload(running: Running, noun: str, n: int) -> bytes:
    """A whole request with so many pictures."""
    request = httpx.Request(
        "POST",
        f"{running.url}/v1/{noun}",
        files=images(*(picture("red", 951 + seed) for seed in range(n))),
        data={"label": "red"} if noun == "references" else None,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST /v1/{noun} HTTP/1.1\r\n{lines}\r\n".encode() + request.read()
