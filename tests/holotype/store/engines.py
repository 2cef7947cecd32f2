"""The engines that the contract suite runs on.

An engine is a place where galleries live: a folder, a server. Registering one more is adding
its factory to `ENGINES`; a factory that cannot run here skips its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from qdrant_edge import UpdateOperation

from holotype.fingerprint import Fingerprint
from holotype.store.edge.store import EdgeStore
from holotype.store.port import VectorStore
from tests.holotype.store.server_engines import SERVER_ENGINES


class Engine(Protocol):
    """What a contract test needs besides the port."""

    def open(
        self, fingerprint: Fingerprint | None, *, gallery: str = "default", create: bool = True
    ) -> VectorStore:
        """Open a gallery, like `open_store` does."""
        ...

    def name_of(self, gallery: str) -> str:
        """What a store says that this gallery is called: a shared server has names of its own."""
        ...

    def lose_head_point(self, store: VectorStore, point: str) -> None:
        """Delete a point of the heads' space behind the adapter's back, as a torn write would."""
        ...


class EmbeddedEngine:
    """Qdrant Edge in a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def open(
        self, fingerprint: Fingerprint | None, *, gallery: str = "default", create: bool = True
    ) -> VectorStore:
        """See `Engine.open`."""
        return EdgeStore.open(
            self.home, gallery, fingerprint=fingerprint, command="a test", create=create
        )

    def name_of(self, gallery: str) -> str:
        """See `Engine.name_of`."""
        return gallery

    def lose_head_point(self, store: VectorStore, point: str) -> None:
        """See `Engine.lose_head_point`."""
        assert isinstance(store, EdgeStore)
        store._space.heads.update(UpdateOperation.delete_points([point]))


@contextmanager
def embedded(folder: Path) -> Iterator[Engine]:
    """The default engine."""
    yield EmbeddedEngine(folder / "home")


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Engine]]] = {
    "edge": embedded,
    **SERVER_ENGINES,
}
"""Name -> factory, which gets an empty folder of its own."""
