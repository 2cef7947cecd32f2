"""Verifying, mending, backing up and restoring a gallery on a server."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from qdrant_client.http import models

from holotype.errors import GalleryMissing, StoreError, StoreUnavailable
from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.factory import restore_store
from holotype.store.port import VectorStore
from holotype.store.server import ServerStore
from holotype.store.server.galleries import heads_collection, references_collection
from holotype.store.server.nodes import node_urls
from tests.holotype.store.faults import Fault
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.holotype.store.replicas import Cluster
from tests.holotype.store.server_engines import AT_ONCE
from tests.references import Pictures, picture_id

Open = Callable[..., ServerStore]


@pytest.fixture
def open_at(fingerprint: Fingerprint) -> Iterator[Open]:
    """Opens a gallery on an HTTP app."""
    with ExitStack() as opened:

        def open_it(server: QdrantHttp, *, create: bool = True, **settings: object) -> ServerStore:
            # Without a history, a write that is refused is one of references.
            chosen = Settings.load(qdrant_url=server.url, history_days=0, **settings)
            store = ServerStore.open(chosen, fingerprint=fingerprint, create=create, policy=AT_ONCE)
            opened.callback(store.close)
            return store

        yield open_it


@pytest.fixture
def store(qdrant_http: QdrantHttp, open_at: Open, pictures: Pictures) -> ServerStore:
    """A gallery with references, metadata, heads and an active one."""
    return _filled(open_at(qdrant_http), pictures)


def _filled(store: ServerStore, pictures: Pictures) -> ServerStore:
    store.add(
        [
            pictures.embedded("a", "wasp", group="g", meta={"site": "north"}, thumbnail=b"jpeg"),
            pictures.embedded("b", "bee", meta={"site": "south"}),
            *pictures.many("ant", 4),
        ]
    )
    for version in ("v1", "v2"):
        store.save_head(_head(store, version))
    store.set_active_head(ActiveHead("v2", history=("v1",)))
    return store


def _head(store: VectorStore, version: str) -> StoredHead:
    rows = np.arange(3 * (store.fingerprint.dimension + 1), dtype=np.float32).reshape(3, -1)
    record = HeadRecord(version=version, created_at="now", status="ready", labels=("a", "b", "c"))
    return StoredHead(record=record, blocks={"weights": rows})


def _wrong(store: ServerStore, *, repair: bool = False) -> list[tuple[str, str, str | None]]:
    return [(d.item, d.problem, d.mended) for d in store.verify(repair=repair).damages]


# -- verifying --------------------------------------------------------------------------


def test_verify__whole(store: ServerStore) -> None:
    """A whole gallery is counted, and nothing is said against it."""
    found = store.verify()

    assert (found.references, found.heads, found.damages) == (6, 2, [])


def test_verify__references(qdrant_http: QdrantHttp, store: ServerStore) -> None:
    """References that are not whole are named with what is wrong, and removed by a repair."""
    collection = references_collection(store.gallery, store.fingerprint)
    client = qdrant_http.engine
    by_id = {str(r.id): r for r in client.all_points(collection)}
    client.overwrite_payload(collection, {"label": "wasp"}, points=[picture_id("a")])
    other = by_id[picture_id("b")].payload
    client.overwrite_payload(collection, other, points=[picture_id("ant-0")])

    damages = [
        (picture_id("a"), "its payload lacks 'sha256'"),
        (
            picture_id("ant-0"),
            f"its id is not the one of the picture with sha256 {other['sha256']!r}",
        ),
    ]
    assert _wrong(store) == [(*damage, None) for damage in sorted(damages)]
    mended = "it was removed: add its picture again"
    assert _wrong(store, repair=True) == [(*damage, mended) for damage in sorted(damages)]
    assert _wrong(store) == []
    assert store.verify().references == store.count() == 4


def test_verify__labels_counted_wrongly(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index of labels that says something else than the references is told."""
    monkeypatch.setattr(
        "holotype.store.server.collection.tally", lambda _: {"wasp": 1, "bee": 1, "ant": 5}
    )

    assert _wrong(store) == [("the index of labels", "says 5 of 'ant', not 4", None)]


def test_verify__heads(qdrant_http: QdrantHttp, store: ServerStore) -> None:
    """A torn head is named; a repair removes it, and the one before it is active again."""
    heads = heads_collection(store.gallery, store.fingerprint)
    lost = models.Filter(
        must=[
            models.FieldCondition(key="version", match=models.MatchValue(value="v2")),
            models.FieldCondition(key="row", match=models.MatchValue(value=1)),
        ]
    )
    qdrant_http.engine.delete(heads, models.FilterSelector(filter=lost))

    assert [(item, mended) for item, _, mended in _wrong(store)] == [
        ("v2", None),
        ("the active head", None),
    ]
    assert [(item, mended) for item, _, mended in _wrong(store, repair=True)] == [
        ("v2", "it was removed: run `retrain`"),
        ("the active head", "'v1' is active now"),
    ]
    assert store.verify().damages == []
    assert store.active_head() == ActiveHead("v1")


# -- replicas ---------------------------------------------------------------------------


@pytest.fixture
def cluster() -> Iterator[list[QdrantHttp]]:
    """Three nodes with a replica each."""
    nodes = Cluster(3).nodes
    with ExitStack() as running:
        yield [running.enter_context(QdrantHttp(engine=node)) for node in nodes]


def _nodes(cluster: list[QdrantHttp]) -> str:
    return ", ".join(node.url for node in cluster)


def _part(cluster: list[QdrantHttp], change: Callable[[], object], *, on: int) -> None:
    """Let a change reach one node alone, as one that was refused does."""
    whole = cluster[0].engine.cluster
    whole.away = set(range(3)) - {on}
    whole.factor = dict.fromkeys(whole.factor, 3)
    with pytest.raises(StoreUnavailable):
        change()
    whole.away = set()


def test_verify__replicas_differ(
    cluster: list[QdrantHttp], open_at: Open, pictures: Pictures
) -> None:
    """What one replica has alone, or has newer, is found on any node and written to all."""
    store = _filled(open_at(cluster[0], qdrant_replicas=3, qdrant_nodes=_nodes(cluster)), pictures)
    assert _wrong(store) == []
    _part(cluster, lambda: store.add(pictures.many("fly", 1)), on=2)
    _part(cluster, lambda: store.relabel("hornet", ids=[picture_id("a")]), on=1)

    differing = sorted(
        [
            (picture_id("fly-0"), "a replica lacks this reference"),
            (picture_id("a"), "replicas differ about this reference"),
        ]
    )
    assert _wrong(store) == [(*d, None) for d in differing]
    mended = "it was written to all replicas"
    assert _wrong(store, repair=True) == [(*d, mended) for d in differing]
    assert _wrong(store) == []
    for node in cluster:
        seen = open_at(node)
        assert seen.counts() == {"ant": 4, "bee": 1, "fly": 1, "hornet": 1}
        assert seen.thumbnails([picture_id("a")]) == {picture_id("a"): b"jpeg"}


def test_verify__heads_differ(cluster: list[QdrantHttp], open_at: Open, pictures: Pictures) -> None:
    """A point of the heads that one replica alone has is written to all."""
    store = _filled(open_at(cluster[0], qdrant_replicas=3, qdrant_nodes=_nodes(cluster)), pictures)
    _part(cluster, lambda: store.acquire_lease("retrain", holder="me", seconds=60), on=1)

    [(_, problem, mended)] = _wrong(store, repair=True)

    assert problem == "a replica lacks this point of the heads"
    assert mended == "it was written to all replicas"
    assert _wrong(store) == []


def test_verify__node_away(cluster: list[QdrantHttp], open_at: Open, pictures: Pictures) -> None:
    """A node that cannot be reached is named; the others are compared all the same."""
    store = _filled(open_at(cluster[0], qdrant_replicas=3, qdrant_nodes=_nodes(cluster)), pictures)
    _part(cluster, lambda: store.add(pictures.many("fly", 1)), on=1)
    cluster[2].refuse()

    [(node, problem, _), (reference, _, mended)] = _wrong(store, repair=True)

    assert node == f"the node at {cluster[2].url}"
    assert "cannot be reached" in problem
    assert "HOLOTYPE_QDRANT_NODES takes the addresses of all nodes" in problem
    assert (reference, mended) == (picture_id("fly-0"), "it was written to all replicas")
    assert not store.verify().mended


def test_verify__nodes_not_known(cluster: list[QdrantHttp], open_at: Open) -> None:
    """Replicas that could not be compared are not called whole."""
    store = open_at(cluster[0], qdrant_replicas=3)

    [(item, problem, _)] = _wrong(store)

    assert item == "the replicas"
    assert problem.startswith("3 replicas cannot be compared on 1 node: HOLOTYPE_QDRANT_NODES")


@pytest.mark.parametrize(
    ("url", "peers", "expected"),
    [
        (
            "https://a:7000",
            ["http://b:6335/", "http://a:6335/"],
            ["https://a:7000", "https://b:7000"],
        ),
        (
            "http://lb",
            ["http://a:6335", "http://[::1]:6335"],
            ["http://[::1]:6333", "http://a:6333"],
        ),
        ("http://a:6333/", ["http://10.0.0.1:6335/"], ["http://a:6333/"]),
        ("http://a", [], ["http://a"]),
    ],
)
def test_node_urls(url: str, peers: list[str], expected: list[str]) -> None:
    """Nodes are reached on the hosts by which they know each other, at the port that is set."""
    assert node_urls(url, peers) == expected


# -- backup and restore -----------------------------------------------------------------


@pytest.fixture
def empty_server() -> Iterator[QdrantHttp]:
    """Another server."""
    with QdrantHttp() as server:
        yield server


def _backup(store: ServerStore) -> io.BytesIO:
    file = io.BytesIO()
    store.backup(file)
    file.seek(0)
    return file


def test_restore__to_an_empty_server(
    store: ServerStore,
    qdrant_http: QdrantHttp,
    empty_server: QdrantHttp,
    open_at: Open,
    pictures: Pictures,
) -> None:
    """A gallery that was restored is the same: references, answers, filters, heads."""
    file = _backup(store)
    assert qdrant_http.engine.snapshots == {}, "nothing is left on the server"

    restore_store(Settings.load(qdrant_url=empty_server.url), file, command="a test")

    restored = open_at(empty_server, create=False)
    assert restored.state() == store.state()
    assert restored.list_references() == store.list_references()
    assert restored.thumbnails([picture_id("a")]) == {picture_id("a"): b"jpeg"}
    query = pictures.embedded("a", "wasp").vector[None]
    [[nearest, *_]], [[same, *_]] = restored.neighbours(query, k=6), store.neighbours(query, k=6)
    assert (nearest.id, nearest.label) == (same.id, same.label) == (picture_id("a"), "wasp")
    assert restored.count(where=Where.equal("meta.site", "north")) == 1
    assert restored.active_head() == store.active_head()
    assert (restored.load_head("v1").blocks["weights"] == _head(store, "").blocks["weights"]).all()
    assert restored.verify().damages == []


def test_restore__under_another_name(
    store: ServerStore, qdrant_http: QdrantHttp, open_at: Open
) -> None:
    """A backup can be looked at beside the gallery that it is of."""
    settings = Settings.load(qdrant_url=qdrant_http.url, gallery="copy")

    restore_store(settings, _backup(store), command="a test")
    store.remove(where=Where.equal("label", "ant"))

    assert open_at(qdrant_http, create=False, gallery="copy").count() == 6
    assert store.count() == 2


def test_restore__over_a_gallery(
    store: ServerStore, qdrant_http: QdrantHttp, open_at: Open
) -> None:
    """A gallery that is there is only replaced where that was asked for."""
    settings = Settings.load(qdrant_url=qdrant_http.url)
    file = _backup(store)
    store.remove(where=Where.equal("label", "ant"))

    with pytest.raises(
        StoreError, match=r"there is a gallery 'default' at .* or over it with --rep"
    ):
        restore_store(settings, file, command="a test")
    assert store.count() == 2

    file.seek(0)
    restore_store(settings, file, command="a test", replace=True)
    assert open_at(qdrant_http, create=False).count() == 6


def test_restore__damaged(store: ServerStore, empty_server: QdrantHttp, open_at: Open) -> None:
    """A backup that has changed is refused, and no gallery is made of it."""
    data = bytearray(_backup(store).getvalue())
    data[data.index(b"wasp")] ^= 1

    with pytest.raises(StoreError, match="the backup cannot be used"):
        restore_store(
            Settings.load(qdrant_url=empty_server.url), io.BytesIO(data), command="a test"
        )

    with pytest.raises(GalleryMissing):
        open_at(empty_server, create=False)


def test_restore__cut_off(store: ServerStore, empty_server: QdrantHttp, open_at: Open) -> None:
    """A restoring that is cut off leaves no gallery to be found; the next one is whole."""
    settings = Settings.load(qdrant_url=empty_server.url)
    file = _backup(store)
    empty_server.faults.add(Fault.DROPPED, on="upload", skip=1)
    with pytest.raises(StoreUnavailable, match=r"broke off a snapshot of shard 0 .*start again"):
        restore_store(settings, file, command="a test")
    with pytest.raises(GalleryMissing):
        open_at(empty_server, create=False)

    file.seek(0)
    restore_store(settings, file, command="a test")

    restored = open_at(empty_server, create=False)
    assert (restored.count(), len(restored.heads())) == (6, 2)


@pytest.mark.parametrize("on", ["snapshot", "download"])
def test_backup__server_fails(store: ServerStore, qdrant_http: QdrantHttp, on: str) -> None:
    """A snapshot that the server cannot make or send ends the backup with its words."""
    qdrant_http.faults.add(Fault.ERROR_500, on=on)

    with pytest.raises(StoreError, match=r"refuses a snapshot of shard 0 .*500.*made to fail"):
        store.backup(io.BytesIO())

    assert qdrant_http.engine.snapshots == {}


def test_backup__by_key(fingerprint: Fingerprint, pictures: Pictures) -> None:
    """Snapshots ask with the key that every other call has."""
    with QdrantHttp(api_key="secret") as server:
        settings = Settings.load(qdrant_url=server.url, qdrant_api_key="secret")
        with ServerStore.open(settings, fingerprint=fingerprint, create=True) as store:
            store.add(pictures.many("wasp", 2))
            file = _backup(store)
            restore_store(settings.model_copy(update={"gallery": "copy"}), file, command="a test")
        collection = references_collection("copy", fingerprint)
        assert server.engine.count(collection).count == 2
