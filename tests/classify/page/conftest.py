"""The page on a real service over coloured pictures, in a real browser."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from PIL import Image

from holotype.references import EmbeddedReference, Where
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, ColourGallery, picture
from tests.running import Running, running

sync_api = pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, expect, sync_playwright  # noqa: E402

from tests.classify.page.browsing import (  # noqa: E402
    ARGUMENTS,
    PATIENCE_MS,
    Visitor,
    chromium,
    visit,
)


class HasUrl(Protocol):
    """Where a page is: a service, or what stands before one."""

    @property
    def url(self) -> str: ...


Serve = Callable[..., Running]
Visit = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need the browser."""
    here = Path(__file__).parent
    executable = chromium()
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        if executable is None:
            item.add_marker(pytest.mark.skip(reason="no chromium on the path of this machine"))


# Not for the whole session: while it runs, Playwright occupies the event loop of this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a module; each gets windows of its own."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield opened
        opened.close()


@dataclass(frozen=True)
class Colours:
    """A store that is brought back to six references each of red, green and blue."""

    store: VectorStore
    references: Sequence[EmbeddedReference]

    def restore(self) -> VectorStore:
        """The store as it was filled; opening another one would cost a second."""
        assert self.store.active_head() is None, "heads belong into `store_with_heads`"
        for label in self.store.counts():
            self.store.remove(where=Where.equal("label", label))
        self.store.add(self.references)
        return self.store


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colours]:
    """The store of a module's tests that make no heads."""
    gallery = ColourGallery(tmp_path_factory.mktemp("colours"))
    references = colour_references(gallery)
    with gallery.open(create=True) as store:
        yield Colours(store, references)


@pytest.fixture
def own_store(colours: Colours) -> VectorStore:
    """Six references each of red, green and blue, for this test alone; never a head."""
    return colours.restore()


@pytest.fixture
def store_with_heads(shared_gallery: ColourGallery, tmp_path: Path) -> Iterator[VectorStore]:
    """The same references in a store of this test's own, which may hold heads."""
    shutil.copytree(shared_gallery.home, tmp_path / "home")
    with ColourGallery(tmp_path / "home").open() as store:
        yield store


@pytest.fixture
def serve(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Serves `own_store`, or another: `serve(store, keys=...)`, see `tests.running.running`."""
    if "store_with_heads" in request.fixturenames:
        request.getfixturevalue("store_with_heads")  # set up before, so that it is closed after
    with ExitStack() as opened:

        def start(store: VectorStore | None = None, **options: Any) -> Running:
            served = store or request.getfixturevalue("own_store")
            return opened.enter_context(running(served, home=tmp_path / "home", **options))

        yield start


@pytest.fixture
def look(browser: Browser, serve: Serve) -> Iterator[Visit]:
    """Opens windows: `look("gallery")`, or `look(at=service, color_scheme="dark")`.

    When the test ends, nothing may have gone wrong in any of them: no error in the console,
    no request that left for another origin.
    """
    visitors: list[Visitor] = []

    def start(page: str = "classify", *, at: HasUrl | None = None, **options: Any) -> Visitor:
        visitors.append(visit(browser, (at or serve()).url, page=page, **options))
        return visitors[-1]

    yield start
    for visitor in visitors:
        visitor.context.close()
    assert [visitor.unexpected() for visitor in visitors] == [[] for _ in visitors]


@pytest.fixture
def visitor(look: Visit) -> Visitor:
    """Somebody who looks at the Classify page of a service as it is by default."""
    return look()


def colour_references(gallery: ColourGallery) -> list[EmbeddedReference]:
    """What the shared gallery holds: even seeds at site A, odd ones at B."""
    return [
        gallery.reference(picture(colour, seed), colour, site="AB"[seed % 2])
        for colour in COLOURS
        for seed in range(6)
    ]


def painted(colour: tuple[int, int, int], seed: int = 0, *, kind: str = "PNG") -> bytes:
    """A picture of one colour, a little noisy; another seed is another picture."""
    noise = np.random.default_rng(seed).integers(-8, 9, (40, 48, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()
