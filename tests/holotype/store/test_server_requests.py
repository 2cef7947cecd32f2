"""What the server adapter asks for, seen from the server: bounded, indexed, no more than needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from holotype.errors import InvalidReference, StoreMoved
from holotype.fingerprint import Fingerprint
from holotype.heads import HeadRecord, StoredHead
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.server import ServerStore, collection, search
from holotype.store.server.batches import MAX_BYTES
from holotype.store.server.galleries import heads_collection, references_collection
from tests.holotype.store.qdrant_http import QdrantHttp, Request
from tests.holotype.store.server_engines import AT_ONCE
from tests.references import Pictures, random_unit

MIB = 2**20


@pytest.fixture
def store(qdrant_http: QdrantHttp, fingerprint: Fingerprint) -> Iterator[ServerStore]:
    """An empty gallery on the HTTP app."""
    with _open(qdrant_http, fingerprint) as store:
        yield store


def _open(server: QdrantHttp, fingerprint: Fingerprint) -> ServerStore:
    settings = Settings.load(qdrant_url=server.url)
    return ServerStore.open(settings, fingerprint=fingerprint, create=True, policy=AT_ONCE)


def _of(server: QdrantHttp, operation: str) -> list[Request]:
    return [request for request in server.requests if request.operation == operation]


# -- bounds -----------------------------------------------------------------------------


def test_add__bounded_by_number(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """Many references go out in requests of 500 at most."""
    store.add(pictures.many("wasp", 1_001))

    assert [len(r.body["points"]) for r in _of(qdrant_http, "upsert")] == [
        1,
        500,
        500,
        1,
    ]  # the first is a step of the history


def test_add__bounded_by_bytes(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """Large thumbnails make smaller requests: none comes near the server's 32 MB."""
    jpeg = bytes(2 * MIB)
    items = [pictures.embedded(f"p{n}", "wasp", thumbnail=jpeg) for n in range(9)]

    store.add(items)

    assert store.count() == 9
    sizes = [request.size for request in _of(qdrant_http, "upsert")]
    assert len(sizes) == 3  # one of them a step of the history
    assert max(sizes) <= MAX_BYTES


def test_add__estimate_is_no_underestimate(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound on bytes holds for what is really sent, with long vectors and odd text."""
    monkeypatch.setattr("holotype.store.server.batches.MAX_BYTES", 4_000)
    odd = 'Кукушка "名前" \\ 👩‍🔬'
    items = [pictures.embedded(f"p{n}", odd, meta={"site": odd}) for n in range(40)]

    store.add(items)

    assert store.count() == 40
    assert max(request.size for request in _of(qdrant_http, "upsert")) <= 4_000


def test_add__too_large_for_any_request(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """A reference that no request could carry is refused before anything is written."""
    items = [
        pictures.embedded("fine", "wasp"),
        pictures.embedded("huge", "wasp", thumbnail=bytes(13 * MIB)),
    ]

    with pytest.raises(InvalidReference, match=r"reference 'wasp/huge.png' takes 17 MiB"):
        store.add(items)

    assert _of(qdrant_http, "upsert") == []


def test_existing__bounded(qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures) -> None:
    """Asking for many ids takes several requests of 1,000, then the labels of those there are."""
    items = pictures.many("wasp", 2_100)
    store.add(items[:5])

    found = store.existing([item.reference.id for item in items])

    assert found == {item.reference.id: "wasp" for item in items[:5]}
    asked = _of(qdrant_http, "retrieve")[1:]  # the first looks what an addition replaces
    assert [(len(r.body["ids"]), r.body["with_payload"]) for r in asked] == [
        (1_000, False),
        (1_000, False),
        (100, False),
        (5, ["label"]),
    ]
    assert [r.query.get("consistency") for r in asked] == ["all", "all", "all", None]


def test_neighbours__bounded(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """Many queries go out in requests of 64 at most, answered in order."""
    items = pictures.many("wasp", 150)
    store.add(items)

    answers = store.neighbours(np.stack([item.vector for item in items]), k=1)

    assert [a[0].id for a in answers] == [item.reference.id for item in items]
    assert [len(r.body["searches"]) for r in _of(qdrant_http, "search")] == [64, 64, 22]


def test_neighbours__fewer_at_once_for_large_answers(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each query brings much back, fewer are asked at once."""
    monkeypatch.setattr(search, "ANSWER_BYTES", 40_000)
    store.add(pictures.many("wasp", 10))

    store.neighbours(np.stack([random_unit(f"q{n}", pictures.dimension) for n in range(6)]), k=10)

    assert [len(r.body["searches"]) for r in _of(qdrant_http, "search")] == [3, 3]


def test_export__pages(qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures) -> None:
    """An export reads pages of 1,000 at most, without thumbnails."""
    store.add(pictures.many("wasp", 2_100))

    assert sum(len(batch) for batch in store.export()) == 2_100

    pages = _of(qdrant_http, "scroll")[-3:]
    assert [page.body["limit"] for page in pages] == [1_000] * 3
    assert all(page.body["with_payload"] == ["label", "group"] for page in pages)


def test_counts__more_values_than_one_answer(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many labels there are, all are counted."""
    monkeypatch.setattr("holotype.store.server.collection._FACET_LIMIT", 3)
    store.add([pictures.embedded(f"p{n}", f"class {n}") for n in range(40)])

    assert len(store.counts()) == 40
    assert [r.body["limit"] for r in _of(qdrant_http, "facet")] == [3, 30, 300]


# -- searching --------------------------------------------------------------------------


def test_neighbours__exact_in_a_small_gallery(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """Up to 100,000 references every one is compared; of its payload only the label comes back."""
    store.add([pictures.embedded("p", "wasp", thumbnail=b"jpeg")])

    store.neighbours(random_unit("q", pictures.dimension)[None], k=5)

    [search] = _of(qdrant_http, "search")[-1].body["searches"]
    assert search["params"]["exact"] is True
    assert search["with_payload"] == ["label"]
    assert search["limit"] == 1  # k = 5, but there is one reference


def test_neighbours__index_in_a_large_gallery(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond that the server chooses, and its index with it."""
    monkeypatch.setattr(collection, "EXACT_UP_TO", 3)
    store.add(pictures.many("wasp", 4))

    store.neighbours(random_unit("q", pictures.dimension)[None], k=2)

    [search] = _of(qdrant_http, "search")[-1].body["searches"]
    assert "params" not in search


def test_neighbours__size_is_counted_once(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """The count behind that choice is not asked for with every query."""
    store.add(pictures.many("wasp", 4))
    query = random_unit("q", pictures.dimension)[None]

    for _ in range(5):
        store.neighbours(query, k=2)

    assert qdrant_http.count("count") == 1


def test_neighbours__gallery_grew_meanwhile(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, store: ServerStore, pictures: Pictures
) -> None:
    """A remembered size never hides references that another process added."""
    store.add(pictures.many("wasp", 2))
    query = random_unit("q", pictures.dimension)[None]
    assert len(store.neighbours(query, k=5)[0]) == 2

    with _open(qdrant_http, fingerprint) as other:
        other.add(pictures.many("bee", 2))

    assert len(store.neighbours(query, k=5)[0]) == 4


# -- indexes ----------------------------------------------------------------------------


def test_indexes__before_data(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """Every index that a filter needs is there before the first reference that it covers."""
    store.add([pictures.embedded("p", "wasp", meta={"site": "north"})])

    operations = [request.operation for request in qdrant_http.requests]
    assert max(n for n, o in enumerate(operations) if o == "index") < operations.index("upsert")
    schema = qdrant_http.engine.get_collection("default").payload_schema
    assert {key: str(info.data_type) for key, info in schema.items()} == {
        "label": "keyword",
        "group": "keyword",
        "source": "keyword",
        "changed_at": "integer",
        "meta.site": "keyword",
    }


def test_indexes__are_made_once(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, store: ServerStore, pictures: Pictures
) -> None:
    """A metadata key in use is not indexed again, by this store or by another."""
    store.add([pictures.embedded("p", "wasp", meta={"site": "north"})])
    before = qdrant_http.count("index")

    store.add([pictures.embedded("q", "wasp", meta={"site": "south"})])
    with _open(qdrant_http, fingerprint) as other:
        other.add([pictures.embedded("r", "wasp", meta={"site": "south"})])

    assert qdrant_http.count("index") == before


def test_filter__key_that_another_process_added(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, store: ServerStore, pictures: Pictures
) -> None:
    """A store that was open before knows a new metadata key when it is asked for."""
    with _open(qdrant_http, fingerprint) as other:
        other.add([pictures.embedded("p", "wasp", meta={"site": "north"})])

    assert store.count(where=Where.equal("meta.site", "north")) == 1
    assert store.counts("meta.site") == {"north": 1}


# -- durability and consistency ---------------------------------------------------------


def test_writes__wait(qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures) -> None:
    """Every write asks the server to answer only when it is done."""
    store.add(pictures.many("wasp", 2))
    store.relabel("bee", where=Where.equal("label", "wasp"))
    store.remove(where=Where.equal("label", "bee"))
    store.acquire_lease("retrain", holder="me", seconds=60)
    store.release_lease("retrain", holder="me")

    writes = [
        request
        for request in qdrant_http.requests
        if request.operation in {"upsert", "set_payload", "delete", "index"}
    ]
    assert len(writes) >= 5
    assert all(request.query.get("wait") == "true" for request in writes)


def test_lease_and_pointer__are_agreed_on(qdrant_http: QdrantHttp, store: ServerStore) -> None:
    """On a cluster, leases go through a leader that is alive, and are read from most replicas.

    `strong` is a leader that may be away, `majority` every replica.
    """
    store.acquire_lease("retrain", holder="me", seconds=60)

    assert _of(qdrant_http, "upsert")[-1].query["ordering"] == "medium"
    assert _of(qdrant_http, "retrieve")[-1].query["consistency"] == "quorum"


def test_save_head__record_comes_last(qdrant_http: QdrantHttp, store: ServerStore) -> None:
    """A head is published by its record, when all of its rows are on the server."""
    rows = np.ones((700, store.fingerprint.dimension + 1), np.float32)
    record = HeadRecord(version="v", created_at="now", status="ready", labels=())

    store.save_head(StoredHead(record=record, blocks={"weights": rows}))

    kinds = [[p["payload"]["kind"] for p in r.body["points"]] for r in _of(qdrant_http, "upsert")]
    assert kinds == [["row"] * 500, ["row"] * 200, ["head"]]


def test_remove_head__record_goes_first(qdrant_http: QdrantHttp, store: ServerStore) -> None:
    """A head disappears as a whole: without its record its rows belong to nothing."""
    store.remove_head("v")

    removed = [r.body["filter"]["must"][0]["match"]["any"] for r in _of(qdrant_http, "delete")]
    assert removed == [["head"], ["row"]]


def test_export__notices_an_addition(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, store: ServerStore, pictures: Pictures
) -> None:
    """References that another process adds during an export are noticed, with the counts."""
    store.add(pictures.many("wasp", 6))
    export = store.export(batch_size=2)
    next(export)

    with _open(qdrant_http, fingerprint) as other:
        other.add(pictures.many("bee", 3))

    with pytest.raises(StoreMoved, match=r"6 before, .* 9 after.*run it again"):
        list(export)


# -- a new gallery on a cluster ---------------------------------------------------------


@pytest.mark.parametrize(("replicas", "factor"), [(1, 1), (2, 1), (3, 2), (5, 3)])
def test_create__shards_and_replicas(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, replicas: int, factor: int
) -> None:
    """Shards spread the references; replicas copy heads too, which one shard holds.

    With one node away writes go on, which two replicas can only do with a factor of 1.
    """
    settings = Settings.load(qdrant_url=qdrant_http.url, qdrant_shards=3, qdrant_replicas=replicas)
    ServerStore.open(settings, fingerprint=fingerprint, create=True, policy=AT_ONCE).close()

    made = {r.path.rpartition("/")[2]: r.body for r in _of(qdrant_http, "create")}
    gallery = made[references_collection("default", fingerprint)]
    heads = made[heads_collection("default", fingerprint)]
    assert (gallery["shard_number"], gallery["replication_factor"]) == (3, replicas)
    assert (heads["shard_number"], heads["replication_factor"]) == (1, replicas)
    assert {gallery["write_consistency_factor"], heads["write_consistency_factor"]} == {factor}
    assert (gallery["vectors"]["distance"], heads["vectors"]["distance"]) == ("Cosine", "Dot")
