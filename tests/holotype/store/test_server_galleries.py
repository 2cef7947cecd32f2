"""Creating and finding galleries on a server: cut off, raced, foreign, faulty."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from qdrant_client.http import models

from holotype.errors import FingerprintMismatch, GalleryMissing, StoreError
from holotype.fingerprint import Fingerprint
from holotype.settings import Settings
from holotype.store.server import ServerStore
from holotype.store.server.galleries import Galleries, references_collection
from holotype.store.server.retries import Calls
from tests.holotype.store.faults import Fault
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.holotype.store.server_engines import AT_ONCE
from tests.references import Pictures

Open = Callable[..., ServerStore]


@pytest.fixture
def open_default(qdrant_http: QdrantHttp, fingerprint: Fingerprint) -> Open:
    """Opens the gallery `default` on the HTTP app."""

    def open_it(
        fingerprint: Fingerprint | None = fingerprint, *, create: bool = True
    ) -> ServerStore:
        settings = Settings.load(qdrant_url=qdrant_http.url)
        return ServerStore.open(settings, fingerprint=fingerprint, create=create, policy=AT_ONCE)

    return open_it


def _other_space(fingerprint: Fingerprint) -> Fingerprint:
    return replace(fingerprint, backbone="another")


@pytest.mark.parametrize("operation", ["create", "index", "update_aliases"])
@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.DROPPED, Fault.UNAVAILABLE_503])
def test_create__outlasts_faults(
    operation: str, fault: Fault, qdrant_http: QdrantHttp, open_default: Open, pictures: Pictures
) -> None:
    """A step of the creation that fails, done or undone, is repeated."""
    qdrant_http.faults.add(fault, on=operation, times=2)

    with open_default() as store:
        store.add(pictures.many("wasp", 2))

        assert store.counts() == {"wasp": 2}
        assert store.filter_keys() == ["group", "label", "source"]


@pytest.mark.parametrize(
    ("operation", "done"),
    [("create", 0), ("create", 1), ("index", 0), ("index", 5), ("update_aliases", 0)],
)
def test_create__cut_off_is_finished_later(
    operation: str, done: int, qdrant_http: QdrantHttp, open_default: Open, pictures: Pictures
) -> None:
    """A creation that ends halfway leaves no gallery to be found; the next one finishes it."""
    qdrant_http.faults.add(Fault.BAD_REQUEST_400, on=operation, skip=done, times=100)
    with pytest.raises(StoreError, match="made to fail"):
        open_default()
    qdrant_http.faults.clear()
    with pytest.raises(GalleryMissing, match="does not exist yet"):
        open_default(None, create=False)

    with open_default() as store:
        store.add(pictures.many("wasp", 2))

        assert store.state().counts == {"wasp": 2}
        assert store.heads() == []


def test_create__at_once_in_one_space(
    qdrant_http: QdrantHttp, open_default: Open, pictures: Pictures
) -> None:
    """Several that create the same gallery at once share it, and lose nothing."""

    def create_and_add(number: int) -> None:
        with open_default() as store:
            store.add(pictures.many("wasp", 3, first=3 * number))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(create_and_add, range(4)))

    with open_default(create=False) as store:
        assert store.counts() == {"wasp": 12}
    assert len(qdrant_http.engine.get_collections().collections) == 2


def test_create__at_once_in_two_spaces(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, open_default: Open
) -> None:
    """Of two that create one gallery in different spaces, the one that lost it is told."""
    calls = Calls(qdrant_http.url, "default", AT_ONCE)
    rival_space = _other_space(fingerprint)

    class Overtaken(Galleries):
        """Another creator, who saw no gallery either, finishes just after us."""

        def _point_alias(self, collection: str) -> None:
            super()._point_alias(collection)
            Galleries(qdrant_http.engine, calls)._create(rival_space)

    with pytest.raises(FingerprintMismatch, match="stored 'another', this run 'colour'"):
        Overtaken(qdrant_http.engine, calls).open(fingerprint, create=True)

    with open_default(rival_space, create=False) as store:
        assert store.fingerprint == rival_space


def test_open__foreign_collection(qdrant_http: QdrantHttp, open_default: Open) -> None:
    """A collection of somebody else under the gallery's name is left alone and named."""
    vectors = models.VectorParams(size=4, distance=models.Distance.DOT)
    qdrant_http.engine.create_collection("default", vectors_config=vectors)

    with pytest.raises(StoreError, match=r"collection 'default' that is not a Holotype gallery"):
        open_default()

    assert qdrant_http.engine.get_collection("default").config.params.vectors == vectors


def test_open__metadata_of_another_version(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, open_default: Open
) -> None:
    """A fingerprint that this version cannot read is told as such."""
    open_default().close()
    metadata = {"holotype": {"fingerprint": {**fingerprint.to_dict(), "colour_space": "new"}}}
    collection = references_collection("default", fingerprint)
    qdrant_http.engine.update_collection(collection, metadata=metadata)

    with pytest.raises(StoreError, match=r"made by another version of Holotype .*colour_space"):
        open_default()


def test_open__stays_in_its_space(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, open_default: Open, pictures: Pictures
) -> None:
    """A store that is open goes on in its own space when the alias moves to another."""
    with open_default() as store:
        store.add(pictures.many("wasp", 2))
        calls = Calls(qdrant_http.url, "default", AT_ONCE)
        Galleries(qdrant_http.engine, calls)._create(_other_space(fingerprint))

        assert store.counts() == {"wasp": 2}
