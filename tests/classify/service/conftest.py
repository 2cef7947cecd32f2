"""A service over a gallery of coloured pictures, on a real port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from holotype.images.square import Pixels
from holotype.references import Vectors
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, ColourGallery, fill_with_colours, picture
from tests.fakes import ColourEncoder
from tests.running import PATIENCE_S, Running, running

Serve = Callable[..., Running]
Files = list[tuple[str, tuple[str, bytes]]]


class GatedEncoder(ColourEncoder):
    """Encodes when it is let: `entered` says that a batch has begun, `open` lets all through."""

    def __init__(self, *, batch_size: int = 8) -> None:
        super().__init__(batch_size=batch_size)
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """Wait at the gate, then encode."""
        self.entered.release()
        assert self.open.wait(PATIENCE_S)
        return super().encode(pixels)

    def begun(self) -> None:
        """Wait until a batch has begun."""
        assert self.entered.acquire(timeout=PATIENCE_S)


def images(*files: bytes) -> Files:
    """Files of a multipart form, named `0.png`, `1.png`, ..."""
    return [("images", (f"{i}.png", data)) for i, data in enumerate(files)]


def colour_images(*, seed: int = 100) -> Files:
    """A picture of each colour, not in the gallery."""
    return images(*(picture(colour, seed) for colour in COLOURS))


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """See `reading`."""
    gallery = fill_with_colours(ColourGallery(tmp_path_factory.mktemp("served")))
    with gallery.open() as store, running(store, home=gallery.home) as service:
        yield service


@pytest.fixture
def reading(shared_service: Running) -> Running:
    """A service without keys that many tests share: for what changes nothing."""
    return shared_service


@pytest.fixture
def own_store(own_gallery: ColourGallery) -> Iterator[VectorStore]:
    """Six references each of red, green and blue, for this test alone."""
    with own_gallery.open() as store:
        yield store


def _serving(opened: ExitStack, default: VectorStore) -> Serve:
    def start(store: VectorStore = default, **options: Any) -> Running:
        return opened.enter_context(running(store, **options))

    return start


@pytest.fixture
def serve(own_store: VectorStore) -> Iterator[Serve]:
    """Serves `own_store`: `serve(keys=..., queue_length=...)`, see `tests.running.running`."""
    with ExitStack() as opened:
        yield _serving(opened, own_store)


@pytest.fixture
def serve_shared(shared_service: Running) -> Iterator[Serve]:
    """Serves a store that many tests share: for what changes nothing."""
    with ExitStack() as opened:
        yield _serving(opened, shared_service.service.store)


@pytest.fixture
def service(serve: Serve) -> Running:
    """A service as it is by default, without keys, for this test alone."""
    return serve()
