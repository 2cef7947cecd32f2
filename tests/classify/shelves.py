"""Galleries of clouds with a trained head, on the embedded engine and on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from head.job import retrain
from head.versions import registry
from holotype.heads import StoredHead
from holotype.references import EmbeddedReference, Vectors
from holotype.settings import Settings
from holotype.store.edge.store import EdgeStore
from holotype.store.port import VectorStore
from holotype.store.server import ServerStore
from tests.fakes import ColourEncoder
from tests.head.conftest import SIZES, Clouds
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.holotype.store.server_engines import AT_ONCE
from tests.references import Pictures

SHELVES = ("edge", "server")

EVERY_MODE = tuple(QueryOptions(mode=mode, evidence=0) for mode in Mode)

DIMENSION = ColourEncoder().dimension


@dataclass(frozen=True)
class Shelf:
    """A gallery, and what to put into it."""

    open: Callable[[], VectorStore]
    """Another store on the same gallery; the embedded engine has only one."""
    store: VectorStore
    server: QdrantHttp | None
    clouds: Clouds
    pictures: Pictures

    def references(self, label: str, count: int, *, first: int = 0) -> list[EmbeddedReference]:
        """Of the cloud of that name."""
        return self.clouds.references({label: count}, self.pictures, first=first)

    def queries(self, label: str, count: int) -> Vectors:
        """(count, D) that are not in the gallery."""
        return self.clouds.of(label, count, first=9000)


@cache
def trained_head() -> StoredHead:
    """The head of every shelf, which hold the same at first: trained once."""
    with TemporaryDirectory() as folder, shelf("edge", Path(folder), trained=False) as made:
        retrain(made.store)
        active = made.store.active_head()
        assert active is not None
        return made.store.load_head(active.version)


@contextmanager
def shelf(engine: str, folder: Path, *, trained: bool = True) -> Iterator[Shelf]:
    """A gallery of ants, bees and wasps; with a head, unless told otherwise."""
    fingerprint = ColourEncoder().fingerprint
    with ExitStack() as opened:
        server = opened.enter_context(QdrantHttp()) if engine == "server" else None

        def open_it() -> VectorStore:
            store: VectorStore
            if server is None:
                store = EdgeStore.open(
                    folder, "default", fingerprint=fingerprint, command="a test", create=True
                )
            else:
                settings = Settings.load(qdrant_url=server.url)
                store = ServerStore.open(
                    settings, fingerprint=fingerprint, create=True, policy=AT_ONCE
                )
            opened.callback(store.close)
            return store

        made = Shelf(
            open_it, open_it(), server, Clouds(DIMENSION, spread=0.15), Pictures(DIMENSION)
        )
        for label, count in SIZES.items():
            made.store.add(made.references(label, count))
        if trained:
            made.store.save_head(trained_head())
            registry.promote(made.store, trained_head().record.version)
        yield made
