"""One empty gallery on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from holotype.fingerprint import Fingerprint
from holotype.store.port import VectorStore
from tests.holotype.store.engines import ENGINES, Engine

OpenGallery = Callable[..., VectorStore]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Every engine in turn."""
    with ENGINES[request.param](tmp_path) as engine:
        yield engine


@pytest.fixture
def open_gallery(engine: Engine, fingerprint: Fingerprint) -> Iterator[OpenGallery]:
    """Opens a gallery on the engine, by default creating it; closes it when the test ends."""
    with ExitStack() as opened:

        def open_it(
            fingerprint: Fingerprint | None = fingerprint,
            *,
            gallery: str = "default",
            create: bool = True,
        ) -> VectorStore:
            store = engine.open(fingerprint, gallery=gallery, create=create)
            opened.callback(store.close)
            return store

        yield open_it


@pytest.fixture
def store(open_gallery: OpenGallery) -> VectorStore:
    """An empty gallery on every engine in turn (shadows the embedded one of the whole suite)."""
    return open_gallery()
