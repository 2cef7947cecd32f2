"""The server adapter on a cluster: a node is away, or the replicas differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from holotype.errors import StoreError, StoreUnavailable
from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.server import ServerStore, leases
from holotype.store.server.galleries import heads_collection, references_collection
from tests.holotype.store.replicas import Cluster
from tests.holotype.store.server_engines import AT_ONCE
from tests.references import Pictures, picture_id

Open = Callable[..., ServerStore]


@pytest.fixture
def open_on(fingerprint: Fingerprint) -> Iterator[Open]:
    """Opens the gallery on a cluster with a replica on every node."""
    opened: list[ServerStore] = []

    def open_it(cluster: Cluster, *, node: int = 0, history_days: int = 0) -> ServerStore:
        # Without a history, a write that is refused is one of references.
        settings = Settings.load(qdrant_replicas=len(cluster.nodes), history_days=history_days)
        store = ServerStore.open_with(
            cluster.nodes[node], settings, fingerprint=fingerprint, create=True, policy=AT_ONCE
        )
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between looks at a lease that replicas differ about."""
    monkeypatch.setattr(leases, "_UNTIL_REPLICAS_AGREE_S", (0, 0))


def _by_node(cluster: Cluster, store: ServerStore) -> list[dict[str, str]]:
    """Label of every reference, as each node has it."""
    collection = references_collection(store.gallery, store.fingerprint)
    pages = [node.scroll(collection, limit=10_000)[0] for node in cluster.nodes]
    return [{str(r.id): (r.payload or {})["label"] for r in page} for page in pages]


def _head(store: ServerStore, version: str) -> StoredHead:
    rows = np.ones((2, store.fingerprint.dimension + 1), np.float32)
    record = HeadRecord(version=version, created_at="now", status="ready", labels=("a", "b"))
    return StoredHead(record=record, blocks={"weights": rows})


# -- a node is away ---------------------------------------------------------------------

ONE_AWAY = [(2, 1), (3, 1), (3, 2)]
"""Nodes, and which of them is away."""


@pytest.mark.parametrize(("nodes", "away"), ONE_AWAY)
def test_node_away__reads_and_writes_go_on(
    open_on: Open, pictures: Pictures, nodes: int, away: int
) -> None:
    """With one node away everything works, and it has everything when it is back."""
    cluster = Cluster(nodes)
    store = open_on(cluster)
    store.add(pictures.many("wasp", 5))
    store.save_head(_head(store, "v1"))
    store.set_active_head(ActiveHead("v1"))
    cluster.away = {away}

    assert store.existing([picture_id(f"wasp-{n}") for n in range(6)]).keys() == {
        picture_id(f"wasp-{n}") for n in range(5)
    }
    store.add(pictures.many("bee", 3))
    assert store.relabel("ant", where=Where.equal("label", "bee")) == 3
    assert store.remove(ids=[picture_id("wasp-0")]) == 1
    assert store.active_head() == ActiveHead("v1")
    store.save_head(_head(store, "v2"))
    store.set_active_head(ActiveHead("v2", history=("v1",)))
    assert store.acquire_lease("retrain", holder="me", seconds=60).holder == "me"
    assert store.acquire_lease("retrain", holder="other", seconds=60).holder == "me"
    store.release_lease("retrain", holder="me")

    cluster.back()
    first, *others = _by_node(cluster, store)
    assert len(first) == 7
    assert others == [first] * (nodes - 1)
    assert open_on(cluster, node=away).active_head() == ActiveHead("v2", history=("v1",))


def test_node_away__existence_is_asked_of_all_that_answer(
    open_on: Open, pictures: Pictures
) -> None:
    """With one of three nodes away, what only one of the other two has is not there."""
    cluster = Cluster(3)
    store = open_on(cluster)
    cluster.away = {1, 2}
    with pytest.raises(StoreUnavailable, match="2 out of 3 shards failed"):
        store.add(pictures.many("wasp", 1))

    cluster.away = {2}

    assert store.existing([picture_id("wasp-0")]) == {}


# -- a write that failed ----------------------------------------------------------------


def test_add__refused_is_written_again(open_on: Open, pictures: Pictures) -> None:
    """What a refused write left on one replica is not there yet, and is added by the next run."""
    cluster = Cluster(3)
    store = open_on(cluster)
    store.add(pictures.many("wasp", 2))
    cluster.away = {1, 2}
    with pytest.raises(StoreUnavailable):
        store.add(pictures.many("bee", 2))
    cluster.back()
    ids = [picture_id(f"{label}-{n}") for label in ("wasp", "bee") for n in range(2)]

    assert store.existing(ids) == dict.fromkeys(ids[:2], "wasp")
    store.add(pictures.many("bee", 2))
    assert store.existing(ids) == {
        **dict.fromkeys(ids[:2], "wasp"),
        **dict.fromkeys(ids[2:], "bee"),
    }
    first, *others = _by_node(cluster, store)
    assert others == [first, first]


def test_existing__replicas_differ_about_the_label(open_on: Open, pictures: Pictures) -> None:
    """A reference whose relabelling failed is there: nobody is to write over it."""
    cluster = Cluster(3)
    store = open_on(cluster)
    store.add(pictures.many("wasp", 1))
    cluster.away = {1, 2}
    with pytest.raises(StoreUnavailable):
        store.relabel("bee", ids=[picture_id("wasp-0")])
    cluster.back()

    assert store.existing([picture_id("wasp-0")]) == {picture_id("wasp-0"): "bee"}


@pytest.mark.parametrize("by", ["ids", "filter"])
def test_relabel__refused_is_done_again(open_on: Open, pictures: Pictures, by: str) -> None:
    """A relabelling that one replica kept of a refused write reaches the others when repeated."""
    cluster = Cluster(3)
    store = open_on(cluster)
    store.add(pictures.many("wasp", 3))
    ids = [picture_id(f"wasp-{n}") for n in range(3)]

    def relabel() -> int:
        if by == "ids":
            return store.relabel("bee", ids=ids)
        return store.relabel("bee", where=Where.equal("label", "wasp"))

    cluster.away = {1, 2}
    with pytest.raises(StoreUnavailable):
        relabel()
    cluster.back()
    assert len({frozenset(labels.items()) for labels in _by_node(cluster, store)}) == 2

    relabel()

    assert _by_node(cluster, store) == [dict.fromkeys(ids, "bee")] * 3


@pytest.mark.parametrize("by", ["ids", "filter"])
def test_remove__refused_is_done_again(open_on: Open, pictures: Pictures, by: str) -> None:
    """A removal that one replica kept of a refused write reaches the others when repeated."""
    cluster = Cluster(3)
    store = open_on(cluster)
    store.add(pictures.many("wasp", 3))

    def remove() -> int:
        if by == "ids":
            return store.remove(ids=[picture_id(f"wasp-{n}") for n in range(3)])
        return store.remove(where=Where.equal("label", "wasp"))

    cluster.away = {1, 2}
    with pytest.raises(StoreUnavailable):
        remove()
    cluster.back()
    assert [len(labels) for labels in _by_node(cluster, store)] == [0, 3, 3]

    remove()

    assert _by_node(cluster, store) == [{}, {}, {}]


def test_relabel__refused_in_the_history_changes_nothing(open_on: Open, pictures: Pictures) -> None:
    """What cannot be written down is not done, on any replica; repeated, it is one action."""
    cluster = Cluster(3)
    store = open_on(cluster, history_days=30)
    store.add(pictures.many("wasp", 3))
    ids = [picture_id(f"wasp-{n}") for n in range(3)]
    cluster.away = {1, 2}
    with pytest.raises(StoreUnavailable, match="storing 1 of the history's steps"):
        store.relabel("bee", ids=ids)
    cluster.back()
    assert _by_node(cluster, store) == [dict.fromkeys(ids, "wasp")] * 3

    store.relabel("bee", ids=ids)

    assert _by_node(cluster, store) == [dict.fromkeys(ids, "bee")] * 3
    store.undo(store.history(limit=1)[0].action.id)
    assert _by_node(cluster, store) == [dict.fromkeys(ids, "wasp")] * 3


# -- leases -----------------------------------------------------------------------------


def _differ_about_the_lease(cluster: Cluster, store: ServerStore, holder: str) -> None:
    """Leave `holder`'s lease on the first node alone, as a refused write does."""
    cluster.away = set(range(1, len(cluster.nodes)))
    cluster.factor = dict.fromkeys(cluster.factor, 2)
    with pytest.raises(StoreUnavailable):
        store.acquire_lease("retrain", holder=holder, seconds=3600)
    cluster.away = set()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("nodes", [2, 3])
def test_lease__replicas_differ(open_on: Open, nodes: int) -> None:
    """A lease that a refused write left on one replica was given to nobody: it can be taken."""
    cluster = Cluster(nodes)
    store = open_on(cluster)
    _differ_about_the_lease(cluster, store, "dead")

    assert store.acquire_lease("retrain", holder="b", seconds=3600).holder == "b"
    assert store.acquire_lease("retrain", holder="c", seconds=3600).holder == "b"
    store.release_lease("retrain", holder="b")
    assert store.acquire_lease("retrain", holder="c", seconds=3600).holder == "c"


def test_lease__replicas_differ_for_a_moment(
    open_on: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicas differ while a renewal is on its way to them: who renews keeps the lease."""
    cluster = Cluster(2)
    store = open_on(cluster)
    other = open_on(cluster, node=1)
    _differ_about_the_lease(cluster, store, "alive")
    pauses: list[float] = []

    def meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        place = heads_collection(store.gallery, store.fingerprint)
        cluster.nodes[1].fill_up_from(cluster.nodes[0], [place])

    monkeypatch.setattr(leases, "pause", meanwhile)

    assert other.acquire_lease("retrain", holder="b", seconds=3600).holder == "alive"
    assert len(pauses) == 1


@pytest.mark.usefixtures("at_once")
def test_lease__replicas_never_agree(open_on: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas that go on differing are told as what they are, with what to do."""
    cluster = Cluster(2)
    store = open_on(cluster)
    monkeypatch.setattr(leases.ServerLeases, "_take", lambda *_, **__: None)

    with pytest.raises(StoreError, match=r"do not agree on who holds lease 'retrain': run `ingest"):
        store.acquire_lease("retrain", holder="b", seconds=60)
