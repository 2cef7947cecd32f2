"""A gallery whose name was mistyped: every command says so, and none makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holotype.errors import GalleryMissing
from holotype.store.port import VectorStore
from tests.holotype.store.qdrant_http import QdrantHttp

COMMANDS = [
    ("classify", "serve", "--port", "0"),
    ("classify", "query", "x.png"),
    ("classify", "eval", "--leave-one-out"),
    ("head",),
    ("head", "list"),
    ("ingest", "list"),
    ("ingest", "classes"),
    ("ingest", "relabel", "--from", "a", "--to", "b"),
    ("ingest", "export", "taken"),
    ("ingest", "verify"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands__name_the_nearest_and_make_nothing(
    command: tuple[str, ...], open_store: Callable[..., VectorStore], tmp_path: Path
) -> None:
    """Exit code 1, the gallery that was meant, how one is made, and no folder."""
    open_store(gallery="pollen").close()
    home = Path(os.environ["HOLOTYPE_HOME"])
    before = sorted(home.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", *command, "--gallery", "polen"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert "gallery 'polen' does not exist yet: add references with `ingest add`" in done.stderr
    assert "Did you mean 'pollen'?" in done.stderr
    told = "`classify serve --create` makes it, empty" in done.stderr
    assert told == ("serve" in command)
    assert sorted(home.rglob("*")) == before
    assert not (tmp_path / "taken").exists()


def test_missing__lists_what_there_is(open_store: Callable[..., VectorStore]) -> None:
    """Where none is near, those that there are; where there are none, how the first is made."""
    with pytest.raises(GalleryMissing, match=r"`ingest add`$"):
        open_store(gallery="moths", fingerprint=None, create=False)
    open_store(gallery="pollen").close()
    with pytest.raises(GalleryMissing, match=r"The store has 'pollen'$"):
        open_store(gallery="moths", fingerprint=None, create=False)


def test_missing__on_a_server(
    open_store: Callable[..., VectorStore], qdrant_http: QdrantHttp
) -> None:
    """The same of a Qdrant server's galleries."""
    open_store(gallery="pollen", qdrant_url=qdrant_http.url)
    with pytest.raises(GalleryMissing, match="Did you mean 'pollen'"):
        open_store(gallery="polen", fingerprint=None, create=False, qdrant_url=qdrant_http.url)
