"""Choosing an engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from holotype.store.edge.store import EdgeStore
from holotype.store.lock import read_owner
from holotype.store.port import VectorStore


def test_open_store__embedded_by_default(
    open_store: Callable[..., VectorStore], tmp_path: Path
) -> None:
    """Without a URL the gallery is embedded, under the home and the name of the settings."""
    store = open_store(
        home=tmp_path / "here", gallery="moths", command="classify serve", url="http://h:1"
    )

    assert isinstance(store, EdgeStore)
    assert store.gallery == "moths"
    owner = read_owner(tmp_path / "here", "moths")
    assert owner is not None
    assert (owner.command, owner.url) == ("classify serve", "http://h:1")


def test_factory__imports_no_engine() -> None:
    """Importing the factory loads no engine: commands pay for one when they open a store."""
    code = "import sys, holotype.store.factory; print([m for m in sys.modules if 'qdrant' in m])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
