"""`ingest optimize`: the search index of an embedded gallery."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from holotype.store.edge.store import EdgeStore
from holotype.store.port import VectorStore
from tests.ingest.conftest import Ingest
from tests.references import Pictures

COUNT = 400


@pytest.fixture
def filled(open_store: Callable[..., VectorStore], pictures: Pictures) -> None:
    """The gallery holds some references, and nobody has it open."""
    with open_store() as store:
        store.add(pictures.many("wasp", COUNT))


@pytest.mark.usefixtures("filled")
def test_optimize__indexes_the_gallery(
    ingest: Ingest, open_store: Callable[..., VectorStore], pictures: Pictures
) -> None:
    """It says how many references are indexed, and searches find them as before."""
    done = ingest("optimize", "--json")

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["references"], said["indexed"]) == (COUNT, COUNT)
    assert f"{COUNT} of {COUNT} references are indexed" in done.stderr
    store = open_store(fingerprint=None, create=False)
    assert isinstance(store, EdgeStore)
    picture = pictures.embedded("wasp-7", "wasp")
    [[nearest]] = store.neighbours(picture.vector[None], k=1)
    assert nearest.id == picture.reference.id


@pytest.mark.usefixtures("filled")
def test_optimize__gallery_of_a_service(
    ingest: Ingest, open_store: Callable[..., VectorStore]
) -> None:
    """While a service owns the gallery nothing is built, and the message names the service."""
    open_store(url="http://127.0.0.1:8000")

    done = ingest("optimize")

    assert done.returncode == 1
    assert "is owned by the service at http://127.0.0.1:8000: stop it first" in done.stderr


def test_optimize__without_a_gallery(ingest: Ingest) -> None:
    """What does not exist yet is said, with what to do."""
    done = ingest("optimize")

    assert done.returncode == 1
    assert "gallery 'default' does not exist yet: add references with `ingest add`" in done.stderr


def test_optimize__server(ingest: Ingest) -> None:
    """A Qdrant server needs none of this, and is told so before it is asked anything."""
    done = ingest("optimize", "--qdrant-url", "http://127.0.0.1:9")

    assert done.returncode == 2
    assert "a Qdrant server builds its search index by itself" in done.stderr
