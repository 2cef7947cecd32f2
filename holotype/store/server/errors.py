"""What can go wrong between us and a Qdrant server, translated in this one place.

`translate` turns every failure of the client, REST or gRPC, into the `StoreError` tree.
A failure that may go away by itself is a `Passing`: `holotype.store.server.retries` tries
such a call again. Everything else is a refusal, and asking again would get the same answer.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import grpc
import httpx
from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)

from holotype.errors import GalleryMissing, StoreError, StoreUnavailable

CLIENT_ERRORS = (
    ApiException,
    QdrantException,
    grpc.RpcError,
    AssertionError,  # what it makes of a result that is null
    json.JSONDecodeError,  # the client lets it through when a 200 answer is not JSON
)
"""Everything that the client raises because of the network or the server."""

LONGEST_RETRY_AFTER_S = 30.0
"""A server that asks for a longer pause is obeyed up to here."""

_PASSING_GRPC = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
}
# gRPC's own table of HTTP mappings, the part that matters here: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_GRPC_AS_HTTP = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
}


class Passing(StoreUnavailable):
    """A failure that may pass. `retry_after` is the pause that the server asked for, seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class AlreadyThere(StoreError):
    """What should be created exists: somebody else was faster, or an answer was lost."""


@dataclass(frozen=True, slots=True)
class Context:
    """Which call failed: it opens every message."""

    url: str
    """As set; shown without credentials."""
    gallery: str
    doing: str
    """What was being done, for people: `adding 32 references`."""

    @property
    def server(self) -> str:
        """The server, as messages name it."""
        return f"Qdrant at {shown_url(self.url)}"


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment: fit for a message."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", "")).removeprefix("//")


def translate(error: Exception, context: Context) -> StoreError:
    """The error of our tree that says what happened, to which call, and what to do."""
    if isinstance(error, ResourceExhaustedResponse):
        pause = min(float(error.retry_after_s), LONGEST_RETRY_AFTER_S)
        detail = f": {error.message}" if error.message else ""
        return Passing(f"{context.server} is overloaded while {context.doing}{detail}", pause)
    if isinstance(error, UnexpectedResponse):
        return _answered(error.status_code or 0, _detail(error), context)
    if isinstance(error, ResponseHandlingException):
        return _not_answered(error.source, context)
    if isinstance(error, grpc.RpcError):
        return _grpc(error, context)
    return _not_qdrant(context)


def _answered(status: int, detail: str, context: Context) -> StoreError:
    """An HTTP status that is not a success."""
    if status in (401, 403):
        return StoreUnavailable(
            f"{context.server} refuses the API key while {context.doing} ({status}): set "
            "HOLOTYPE_QDRANT_API_KEY to a key that may read and write"
        )
    if status == 404 and "collection" in detail.lower():
        return GalleryMissing(
            f"{context.server} no longer has the collection of gallery {context.gallery!r} while "
            f"{context.doing} ({detail}): it was deleted meanwhile; start the command again"
        )
    if status == 404:
        return StoreUnavailable(
            f"{context.server} has no such route (404) while {context.doing}: is "
            "HOLOTYPE_QDRANT_URL the address of a Qdrant server?"
        )
    if status == 409 or (status == 400 and "already exists" in detail):
        return AlreadyThere(f"{context.server}, while {context.doing}: {detail}")
    if status in (408, 429) or status >= 500:
        return Passing(f"{context.server} failed while {context.doing} ({status}: {detail})")
    return StoreError(
        f"{context.server} refuses a request while {context.doing} ({status}): {detail}"
    )


def _not_answered(source: Exception, context: Context) -> StoreError:
    """No usable answer: the network, TLS, or something that is not Qdrant."""
    if isinstance(source, ValidationError):
        return _not_qdrant(context)
    tls = next((e for e in _chain(source) if isinstance(e, ssl.SSLError)), None)
    if tls is not None:
        return StoreUnavailable(
            f"no TLS connection to {context.server} while {context.doing} ({tls}): write http:// "
            "for a server without TLS; for a certificate of your own set SSL_CERT_FILE to its "
            "authority's file"
        )
    if isinstance(source, httpx.TimeoutException):
        return Passing(
            f"{context.server} did not answer in time while {context.doing} "
            f"({type(source).__name__}; HOLOTYPE_QDRANT_TIMEOUT sets the limit)"
        )
    if isinstance(source, httpx.ConnectError):
        return Passing(f"{context.server} cannot be reached while {context.doing} ({source})")
    if isinstance(source, httpx.NetworkError | httpx.RemoteProtocolError):
        return Passing(f"{context.server} hung up while {context.doing} ({source})")
    return StoreError(f"{context.server} cannot be asked while {context.doing}: {source}")


def _grpc(error: grpc.RpcError, context: Context) -> StoreError:
    # A failed call is an RpcError and a Call in one; the base class alone declares neither method.
    code = error.code() if isinstance(error, grpc.Call) else None
    detail = (error.details() if isinstance(error, grpc.Call) else None) or str(error)
    if code in _GRPC_AS_HTTP:
        return _answered(_GRPC_AS_HTTP[code], detail, context)
    if code in _PASSING_GRPC:
        return Passing(
            f"{context.server} did not answer over gRPC while {context.doing} "
            f"({code.name if code else ''}: {detail}; HOLOTYPE_QDRANT_GRPC_PORT sets its port)"
        )
    return StoreError(f"{context.server} refuses a call while {context.doing}: {detail}")


def _not_qdrant(context: Context) -> StoreUnavailable:
    return StoreUnavailable(
        f"{context.server} gave an answer that is not Qdrant's while {context.doing}: is "
        "HOLOTYPE_QDRANT_URL the address of a Qdrant server?"
    )


def _detail(error: UnexpectedResponse) -> str:
    """Qdrant's own words, `{"status": {"error": ...}}`, or the start of whatever came."""
    try:
        status = error.structured()["status"]
        return str(status["error"] if isinstance(status, dict) else status)
    except (ValueError, KeyError, TypeError):
        return error.content[:200].decode(errors="replace") or error.reason_phrase


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
