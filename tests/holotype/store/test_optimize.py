"""The search index of an embedded gallery."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from holotype.errors import StoreError
from holotype.references import EVERYTHING, Where
from holotype.store.edge.points import EdgePoints
from holotype.store.edge.store import EdgeStore
from holotype.store.lock import read_owner
from holotype.store.optimize import optimize
from holotype.store.port import VectorStore
from tests.holotype.store.worker import open_home
from tests.references import Pictures, picture_id, random_unit

REFERENCES = 600


@pytest.fixture
def home(tmp_path: Path, pictures: Pictures) -> Path:
    """A home whose default gallery holds two classes."""
    with open_home(str(tmp_path / "home")) as store:
        store.add([*pictures.many("wasp", REFERENCES // 2), *pictures.many("bee", REFERENCES // 2)])
    return tmp_path / "home"


def _nearest(store: VectorStore, *, where: Where = EVERYTHING) -> list[list[str]]:
    queries = np.stack([random_unit(f"query-{n}", store.fingerprint.dimension) for n in range(10)])
    found = store.neighbours(queries, k=10, where=where)
    return [[neighbour.id for neighbour in one] for one in found]


def test_optimize__indexes_everything(home: Path) -> None:
    """Every reference is indexed, and the answers of so small a gallery stay the same."""
    with open_home(str(home)) as store:
        before = _nearest(store), _nearest(store, where=Where.equal("label", "bee"))
        exported = [batch.vectors for batch in store.export()]

    report = optimize(home, "default")

    assert (report.references, report.indexed) == (REFERENCES, REFERENCES)
    assert report.seconds > 0
    with open_home(str(home)) as store:
        assert (_nearest(store), _nearest(store, where=Where.equal("label", "bee"))) == before
        assert np.array_equal([b.vectors for b in store.export()], exported)


def test_optimize__gallery_goes_on(home: Path, pictures: Pictures) -> None:
    """An indexed gallery takes, changes and removes references, and can be indexed again."""
    optimize(home, "default")
    new = pictures.embedded("new", "ant", meta={"site": "north"})

    with open_home(str(home)) as store:
        store.add([new])
        assert store.relabel("fly", ids=[picture_id("wasp-0")]) == 1
        assert store.remove(ids=[picture_id("wasp-1")]) == 1

    with open_home(str(home)) as store:
        half = REFERENCES // 2
        assert store.counts() == {"bee": half, "wasp": half - 2, "ant": 1, "fly": 1}
        [[nearest]] = store.neighbours(new.vector[None], k=1, where=Where.parse(["site=north"]))
        assert nearest.id == new.reference.id
        assert picture_id("wasp-1") not in {i for one in _nearest(store) for i in one}
    assert optimize(home, "default").references == REFERENCES


def test_optimize__in_use(home: Path) -> None:
    """A gallery that somebody has open is not indexed, and the message names who."""
    with open_home(str(home)):
        expected = re.escape("the index was not built: gallery 'default'") + ".*`worker of a test`"
        with pytest.raises(StoreError, match=expected):
            optimize(home, "default")


def test_optimize__missing(tmp_path: Path) -> None:
    """A gallery that is not there cannot be indexed, and is not created."""
    with pytest.raises(StoreError, match="gallery 'moths' does not exist yet"):
        optimize(tmp_path / "home", "moths")

    assert not (tmp_path / "home").exists()


def test_optimize__killed(home: Path) -> None:
    """Killed half-way, it leaves every reference where it was, and nobody as the owner."""
    command = [sys.executable, "-m", "tests.holotype.store.worker", "index", str(home)]

    done = subprocess.run(command, cwd=Path(__file__).parents[3], check=False)

    assert done.returncode == -signal.SIGALRM
    assert read_owner(home, "default") is None
    with open_home(str(home)) as store:
        assert store.count() == REFERENCES
        assert _nearest(store)[0]


def test_search__exact_until_indexed(open_store: Callable[..., VectorStore], home: Path) -> None:
    """Searches are exact before the index is built and use it after."""
    with open_store(home=home) as store:
        assert _points(store)._search.exact

    optimize(home, "default")

    assert not _points(open_store(home=home))._search.exact


def _points(store: VectorStore) -> EdgePoints:
    assert isinstance(store, EdgeStore)
    assert isinstance(store._references, EdgePoints)
    return store._references
