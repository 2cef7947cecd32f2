"""Failures of the client as errors of ours, where a real server is hard to bring to them."""

from __future__ import annotations

import httpx
import pytest
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from holotype.errors import GalleryMissing, StoreError, StoreUnavailable
from holotype.store.server.errors import (
    LONGEST_RETRY_AFTER_S,
    AlreadyThere,
    Context,
    Passing,
    translate,
)
from holotype.store.server.retries import RetryPolicy

CONTEXT = Context("http://user:secret@qdrant:6333", "pollen", "counting")


def _response(status: int, content: bytes = b"{}") -> UnexpectedResponse:
    return UnexpectedResponse(status, "reason", content, httpx.Headers())


@pytest.mark.parametrize(("asked", "pause"), [(3, 3.0), (3600, LONGEST_RETRY_AFTER_S)])
def test_overload__pause_as_asked(asked: int, pause: float) -> None:
    """A server that asks for a pause gets it, within reason."""
    error = translate(ResourceExhaustedResponse("too many requests", asked), CONTEXT)

    assert isinstance(error, Passing)
    assert error.retry_after == pause
    assert str(error) == (
        "Qdrant at http://qdrant:6333 is overloaded while counting: too many requests"
    )


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (401, b"", StoreUnavailable),
        (403, b"", StoreUnavailable),
        (404, b'{"status":{"error":"Not found: Collection `x` does not exist"}}', GalleryMissing),
        (404, b"<html>404</html>", StoreUnavailable),
        (409, b'{"status":{"error":"Collection `x` already exists!"}}', AlreadyThere),
        (400, b'{"status":{"error":"Collection `x` already exists!"}}', AlreadyThere),
        (413, b'{"status":"payload too large"}', StoreError),
        (429, b"", Passing),
        (500, b'{"status":{"error":"Service internal error"}}', Passing),
        (502, b"Bad Gateway", Passing),
        (507, b"", Passing),
    ],
)
def test_status__which_error(status: int, content: bytes, kind: type[StoreError]) -> None:
    """Each status becomes one error; only overload and 5xx may pass."""
    error = translate(_response(status, content), CONTEXT)

    assert type(error) is kind
    assert "while counting" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b'{"status":{"error":"Wrong input: no such vector"}}', "Wrong input: no such vector"),
        (b'{"status":"plain words"}', "plain words"),
        (b"not json", "not json"),
        (b"", "reason"),
        (b"[1]", "[1]"),
    ],
)
def test_status__tells_the_servers_words(content: bytes, detail: str) -> None:
    """A refusal ends with what the server said, in whatever form it said it."""
    assert str(translate(_response(400, content), CONTEXT)).endswith(f"(400): {detail}")


@pytest.mark.parametrize(
    ("source", "passing"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), True),
        (httpx.ConnectTimeout("timed out"), True),
        (httpx.ReadTimeout("timed out"), True),
        (httpx.PoolTimeout(""), True),
        (httpx.ReadError("[Errno 104] Connection reset by peer"), True),
        (httpx.WriteError("[Errno 32] Broken pipe"), True),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), True),
        (httpx.UnsupportedProtocol("no scheme"), False),
        (httpx.InvalidURL("bad"), False),
        (RuntimeError("Cannot send a request, as the client has been closed."), False),
    ],
)
def test_no_answer__which_may_pass(source: Exception, passing: bool) -> None:
    """Troubles of the network may pass; those of the request itself do not."""
    assert isinstance(translate(ResponseHandlingException(source), CONTEXT), Passing) is passing


@pytest.mark.parametrize(("timeout", "total"), [(1.0, 120.0), (300.0, 900.0)])
def test_policy__has_time_for_slow_answers(timeout: float, total: float) -> None:
    """Who waits long for an answer gets more than one try all the same."""
    assert RetryPolicy().with_time_for(timeout).total == total
