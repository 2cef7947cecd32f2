"""The server adapter's engines for the contract suite.

- `server-memory`: straight over the in-memory engine, no network.
- `server-http`: over the HTTP app, so through the real client.
- `server-grpc`: over the gRPC services, same client, other protocol.
- `server-real`: a real server, where HOLOTYPE_TEST_QDRANT_URL names one (with
  HOLOTYPE_TEST_QDRANT_API_KEY, if it wants a key). Galleries get names of their own there
  and are removed afterwards.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qdrant_client import QdrantClient
from qdrant_client.http import models

from holotype.fingerprint import Fingerprint
from holotype.settings import Settings
from holotype.store.port import VectorStore
from holotype.store.server import RetryPolicy, ServerStore
from holotype.store.server.connect import connect
from holotype.store.server.galleries import heads_collection
from tests.holotype.store.memory_qdrant import MemoryQdrant
from tests.holotype.store.qdrant_grpc import QdrantGrpc
from tests.holotype.store.qdrant_http import QdrantHttp

REAL_SERVER = "HOLOTYPE_TEST_QDRANT_URL"

AT_ONCE = RetryPolicy(attempts=4, wait_initial=0, wait_max=0, wait_jitter=0, total=20)
"""Repeats without pauses."""


class MemoryEngine:
    """The adapter over the in-memory engine."""

    def __init__(self) -> None:
        self.client = MemoryQdrant()

    def open(
        self, fingerprint: Fingerprint | None, *, gallery: str = "default", create: bool = True
    ) -> VectorStore:
        """See `Engine.open`."""
        settings = Settings.load(gallery=gallery)
        return ServerStore.open_with(
            self.client, settings, fingerprint=fingerprint, create=create, policy=AT_ONCE
        )

    def name_of(self, gallery: str) -> str:
        """See `Engine.name_of`."""
        return gallery

    def lose_head_point(self, store: VectorStore, point: str) -> None:
        """See `Engine.lose_head_point`."""
        _lose_head_point(self.client, store, point)


class UrlEngine:
    """The adapter over a URL."""

    def __init__(self, settings: Settings, *, prefix: str = "") -> None:
        self.settings = settings
        self.prefix = prefix

    def open(
        self, fingerprint: Fingerprint | None, *, gallery: str = "default", create: bool = True
    ) -> VectorStore:
        """See `Engine.open`."""
        settings = self.settings.model_copy(update={"gallery": self.prefix + gallery})
        return ServerStore.open(settings, fingerprint=fingerprint, create=create, policy=AT_ONCE)

    def name_of(self, gallery: str) -> str:
        """See `Engine.name_of`."""
        return self.prefix + gallery

    def lose_head_point(self, store: VectorStore, point: str) -> None:
        """See `Engine.lose_head_point`."""
        client = connect(self.settings)
        _lose_head_point(client, store, point)
        client.close()

    def remove_galleries(self) -> None:
        """Leave nothing behind on a server that others use too."""
        client = connect(self.settings)
        for collection in client.get_collections().collections:
            if collection.name.startswith(self.prefix):
                client.delete_collection(collection.name)
        client.close()


def _lose_head_point(client: QdrantClient, store: VectorStore, point: str) -> None:
    heads = heads_collection(store.gallery, store.fingerprint)
    client.delete(
        heads,
        models.FilterSelector(filter=models.Filter(must=[models.HasIdCondition(has_id=[point])])),
    )


@contextmanager
def server_memory(_: Path) -> Iterator[MemoryEngine]:
    """No network."""
    yield MemoryEngine()


@contextmanager
def server_http(_: Path) -> Iterator[UrlEngine]:
    """The real client over loopback."""
    with QdrantHttp() as app:
        yield UrlEngine(Settings.load(qdrant_url=app.url))


@contextmanager
def server_grpc(_: Path) -> Iterator[UrlEngine]:
    """The real client over loopback, by gRPC."""
    with QdrantGrpc() as app:
        # Nothing listens at the URL: whatever is not asked by gRPC fails.
        yield UrlEngine(
            Settings.load(
                qdrant_url="http://127.0.0.1:1", qdrant_grpc=True, qdrant_grpc_port=app.port
            )
        )


@contextmanager
def server_real(_: Path) -> Iterator[UrlEngine]:
    """A real server."""
    key = os.environ.get("HOLOTYPE_TEST_QDRANT_API_KEY")
    settings = Settings.load(qdrant_url=os.environ[REAL_SERVER], qdrant_api_key=key)
    engine = UrlEngine(settings, prefix=f"holotype-test-{uuid.uuid4().hex[:8]}-")
    try:
        yield engine
    finally:
        engine.remove_galleries()


SERVER_ENGINES = {
    "server-memory": server_memory,
    "server-http": server_http,
    "server-grpc": server_grpc,
    **({"server-real": server_real} if os.environ.get(REAL_SERVER) else {}),
}
