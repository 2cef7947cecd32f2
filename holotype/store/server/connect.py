"""A client for the server that the settings name: address, key, TLS, protocol, time limit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import httpx
from qdrant_client import QdrantClient

from holotype.errors import StoreError, UsageError
from holotype.retry_after import retry_after_s
from holotype.settings import Settings
from holotype.store.server.errors import shown_url
from holotype.store.server.retries import Calls

OLDEST_SERVER = (1, 16)
"""Conditional upserts (leases need them) and collection metadata came with Qdrant 1.16. An
older server ignores both without a word, so it is refused."""

REST_PORT = 6333
"""Where the URL names no port, also for https, as on Qdrant Cloud."""


def connect(settings: Settings) -> QdrantClient:
    """A client of `settings.qdrant_url`; nothing is sent yet.

    The API key travels in the `api-key` header of REST and gRPC calls. Over http:// it can be
    read on the way, which is fine inside one machine or a private network only.

    Raises:
        UsageError: the URL cannot be one of a Qdrant server.
    """
    url = settings.qdrant_url or ""
    key = settings.qdrant_api_key
    try:
        client = QdrantClient(
            url=url,
            port=REST_PORT,
            grpc_port=settings.qdrant_grpc_port,
            prefer_grpc=settings.qdrant_grpc,
            # As a header, not as api_key=: that one warns at every start about http://.
            headers={"api-key": key.get_secret_value()} if key else None,
            timeout=math.ceil(settings.qdrant_timeout),
            # A server on this machine or in a private network is not behind a proxy.
            trust_env=settings.qdrant_proxy,
            verify=httpx.create_ssl_context(),  # or SSL_CERT_FILE would not be trusted either
            grpc_options={"grpc.enable_http_proxy": int(settings.qdrant_proxy)},
            # Vectors go out, never texts or pictures to embed. Saying that the server would do
            # that keeps the client from looking for them in every request (9.4 -> 1.9 ms for
            # 32 queries).
            cloud_inference=True,
            # Asks in a thread of its own and warns; `check_version` asks once and refuses.
            check_compatibility=False,
        )
    except (ImportError, httpx.InvalidURL) as error:
        raise UsageError(
            f"cannot use the proxies of the environment (ALL_PROXY, HTTP_PROXY, NO_PROXY, ...): "
            f"{error}. Leave HOLOTYPE_QDRANT_PROXY out to ask the server directly"
        ) from error
    except ValueError as error:
        raise UsageError(
            f"cannot read HOLOTYPE_QDRANT_URL {shown_url(url)!r}: write http://host:6333 or "
            "https://host:6333"
        ) from error
    client.http.client.add_middleware(_time_limit(settings.qdrant_timeout))
    client.http.client.add_middleware(_whole_seconds)
    return client


def check_version(client: QdrantClient, calls: Calls) -> None:
    """Refuse a server that would silently ignore what leases rely on.

    Raises:
        StoreError: it is older than `OLDEST_SERVER`.
    """
    text = calls("asking for its version", client.info).version
    numbers = re.match(r"v?(\d+)\.(\d+)", text)
    if numbers and tuple(map(int, numbers.groups())) < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise StoreError(
            f"Qdrant at {shown_url(calls.url)} has version {text}: Holotype needs {oldest} or "
            "newer; upgrade the server one minor version at a time"
        )


def _whole_seconds(request: httpx.Request, send: Any) -> httpx.Response:
    """Middleware: `Retry-After` in the one form that the client reads."""
    response: httpx.Response = send(request)
    asked = response.headers.get("Retry-After")
    if asked is not None:
        response.headers["Retry-After"] = str(math.ceil(retry_after_s(asked, default=1.0)))
    return response


def _time_limit(seconds: float) -> Callable[[httpx.Request, Any], httpx.Response]:
    """Middleware that holds each REST request to `seconds`; the client knows whole ones only."""
    limits = httpx.Timeout(seconds).as_dict()

    def limited(request: httpx.Request, send: Any) -> httpx.Response:
        request.extensions["timeout"] = limits
        response: httpx.Response = send(request)
        return response

    return limited
