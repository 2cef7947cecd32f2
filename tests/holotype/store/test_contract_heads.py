"""The contract of every store: heads, the active pointer and leases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from holotype.errors import HeadError, UnknownHead
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.store.head_payload import HEAD, ROW, point_id
from holotype.store.port import VectorStore
from tests.holotype.store.conftest import OpenGallery
from tests.holotype.store.engines import Engine
from tests.references import Pictures

D = 16
REPORT = {"accuracy": 0.875, "folds": [1, 2], "note": "ünïcode", "nested": {"none": None}}


def _head(version: str, *, classes: int = 3, scale: float = 1.0) -> StoredHead:
    generator = np.random.default_rng(classes)
    weights = generator.normal(size=(classes, D + 1)).astype(np.float32) * np.float32(scale)
    return StoredHead(
        record=HeadRecord(
            version=version,
            created_at="2026-11-01T12:00:00+00:00",
            status="ready",
            labels=tuple(f"label {n}" for n in range(classes)),
            report=REPORT,
        ),
        blocks={"weights": weights, "means": weights[:2] / 3},
    )


# -- versions ---------------------------------------------------------------------------


def test_save_head__comes_back(store: VectorStore) -> None:
    """A head comes back with its record and its blocks."""
    head = _head("20261101-120000-aaaa")

    store.save_head(head)

    found = store.load_head(head.record.version)
    assert found.record == replace(head.record, block_rows={"weights": 3, "means": 2})
    assert set(found.blocks) == {"weights", "means"}


def test_save_head__numbers_bit_exact(store: VectorStore) -> None:
    """Numbers of any size come back to the bit: no normalisation, no rounding."""
    numbers = np.zeros((4, D + 1), np.float32)
    numbers[0] = np.random.default_rng(0).normal(size=D + 1) * 1e4
    numbers[1] = np.random.default_rng(1).normal(size=D + 1) * 1e-6
    numbers[2, :4] = [np.float32(1) / 3, np.finfo(np.float32).max, 1e-38, -0.0]
    head = replace(_head("v1"), blocks={"weights": numbers})

    store.save_head(head)

    found = store.load_head("v1").blocks["weights"]
    assert found.dtype == np.float32
    assert found.tobytes() == numbers.tobytes()


def test_save_head__many_rows(store: VectorStore) -> None:
    """A head may have more rows than fit one call; rows keep their order."""
    head = _head("v1", classes=1_100)

    store.save_head(head)

    assert (store.load_head("v1").blocks["weights"] == head.blocks["weights"]).all()
    [record] = store.heads()
    assert record.labels == head.record.labels


def test_save_head__empty_block(store: VectorStore) -> None:
    """A block may have no rows; it comes back with the right width."""
    store.save_head(replace(_head("v1"), blocks={"weights": np.zeros((0, D + 1), np.float32)}))

    assert store.load_head("v1").blocks["weights"].shape == (0, D + 1)
    assert len(store.heads()) == 1


def test_save_head__again(store: VectorStore) -> None:
    """Saving a version again, with other shapes too, leaves the last one whole."""
    store.save_head(_head("v1", classes=5))
    last = _head("v1", classes=2)

    store.save_head(last)
    store.save_head(last)

    [record] = store.heads()
    assert record.labels == last.record.labels
    assert (store.load_head("v1").blocks["weights"] == last.blocks["weights"]).all()


def test_save_head__does_not_activate(store: VectorStore) -> None:
    """Saving a head moves no pointer and changes no reference count."""
    before = store.state()

    store.save_head(_head("v1"))

    assert store.active_head() is None
    assert store.state() == before


def test_heads__oldest_first(store: VectorStore) -> None:
    """Versions are listed in the order of their names, which is that of their creation."""
    assert store.heads() == []
    for version in ("20261103-x", "20261101-x", "20261102-x"):
        store.save_head(_head(version))

    assert [r.version for r in store.heads()] == ["20261101-x", "20261102-x", "20261103-x"]
    assert store.heads()[0].report == REPORT


def test_load_head__unknown(store: VectorStore) -> None:
    """A version that was never stored is unknown, and the message says where to look."""
    with pytest.raises(UnknownHead, match=r"no head has version 'v9'.*retrain list"):
        store.load_head("v9")


@pytest.mark.parametrize(
    "point", [point_id(ROW, "v1", "weights", 2), point_id(ROW, "v1", "means", 0)]
)
def test_torn_head__row_missing(engine: Engine, store: VectorStore, point: str) -> None:
    """A head that lacks a row is neither listed nor loaded nor activated; others are."""
    store.save_head(_head("v1"))
    store.save_head(_head("v2"))

    engine.lose_head_point(store, point)

    assert [r.version for r in store.heads()] == ["v2"]
    with pytest.raises(UnknownHead, match="'v1' was not stored completely: run `retrain`"):
        store.load_head("v1")
    with pytest.raises(UnknownHead):
        store.set_active_head(ActiveHead("v1"))
    store.load_head("v2")


def test_torn_head__record_missing(engine: Engine, store: VectorStore) -> None:
    """Rows without a record are no head; saving the version again makes it whole."""
    store.save_head(_head("v1", classes=7))
    engine.lose_head_point(store, point_id(HEAD, "v1"))

    assert store.heads() == []
    with pytest.raises(UnknownHead):
        store.load_head("v1")

    store.save_head(_head("v1", classes=4))
    assert len(store.load_head("v1").blocks["weights"]) == 4
    assert len(store.heads()) == 1


_NUMBERS = np.zeros((2, D + 1), np.float32)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"weights": _NUMBERS * np.float32("nan")}, "'weights' is not finite"),
        ({"weights": _NUMBERS[:, :-1]}, r"float32 \(2, 16\), not float32 \(rows, 17\)"),
        ({"weights": _NUMBERS.astype(np.float64)}, "is float64"),
        ({"good": _NUMBERS, "bad": _NUMBERS[0]}, "'bad' is float32"),
        ({}, "it has no blocks"),
    ],
)
def test_save_head__malformed(
    store: VectorStore, blocks: dict[str, np.ndarray], message: str
) -> None:
    """Numbers that could not come back are refused, and nothing is stored."""
    with pytest.raises(HeadError, match=message):
        store.save_head(replace(_head("v1"), blocks=blocks))

    assert store.heads() == []


@pytest.mark.parametrize("report", [{"accuracy": float("nan")}, {"when": object()}])
def test_save_head__report_not_json(store: VectorStore, report: dict[str, object]) -> None:
    """A report that is not JSON is refused, and nothing is stored."""
    head = _head("v1")

    with pytest.raises(HeadError, match="cannot store head 'v1': its report is not JSON"):
        store.save_head(replace(head, record=replace(head.record, report=report)))

    assert store.heads() == []


# -- the active pointer -----------------------------------------------------------------


def test_active_head__moves(store: VectorStore) -> None:
    """The pointer is where it was last put, with its history."""
    assert store.active_head() is None
    for version in ("v1", "v2"):
        store.save_head(_head(version))

    store.set_active_head(ActiveHead("v1"))
    assert store.active_head() == ActiveHead("v1")
    store.set_active_head(ActiveHead("v2", history=("v1",), newest="v3"))
    assert store.active_head() == ActiveHead("v2", history=("v1",), newest="v3")


def test_active_head__never_dangles(store: VectorStore) -> None:
    """The pointer cannot be put on a head that is not there."""
    store.save_head(_head("v1"))
    store.set_active_head(ActiveHead("v1"))

    with pytest.raises(UnknownHead, match="no complete head has version 'v2'"):
        store.set_active_head(ActiveHead("v2", history=("v1",)))

    assert store.active_head() == ActiveHead("v1")


def test_remove_head__gone(store: VectorStore) -> None:
    """A removed version is unknown, the others stay; removing an absent one is fine."""
    for version in ("v1", "v2"):
        store.save_head(_head(version))

    store.remove_head("v1")
    store.remove_head("v1")
    store.remove_head("never")

    assert [r.version for r in store.heads()] == ["v2"]
    with pytest.raises(UnknownHead):
        store.load_head("v1")
    store.load_head("v2")


def test_remove_head__active(store: VectorStore) -> None:
    """The head that answers cannot be removed."""
    store.save_head(_head("v1"))
    store.set_active_head(ActiveHead("v1"))

    with pytest.raises(HeadError, match="'v1' is active: promote another one first"):
        store.remove_head("v1")

    store.load_head("v1")


def test_heads__beside_references(store: VectorStore, pictures: Pictures) -> None:
    """Heads and references do not see each other."""
    store.save_head(_head("v1"))
    store.set_active_head(ActiveHead("v1"))
    store.add(pictures.many("wasp", 2))

    assert store.count() == 2
    store.remove(ids=[i.reference.id for i in pictures.many("wasp", 2)])
    assert store.active_head() == ActiveHead("v1")


def test_heads__survive_reopening(open_gallery: OpenGallery) -> None:
    """Heads and the pointer are there when the store is opened again."""
    head = _head("v1")
    with open_gallery() as store:
        store.save_head(head)
        store.set_active_head(ActiveHead("v1", newest="v1"))

    store = open_gallery()

    assert (store.load_head("v1").blocks["weights"] == head.blocks["weights"]).all()
    assert store.active_head() == ActiveHead("v1", newest="v1")


# -- leases -----------------------------------------------------------------------------


def test_lease__one_holder(store: VectorStore) -> None:
    """A lease that is taken stays with its holder; others are told who has it."""
    first = store.acquire_lease("retrain", holder="a", seconds=3600)
    second = store.acquire_lease("retrain", holder="b", seconds=3600)

    assert (first.name, first.holder) == ("retrain", "a")
    assert second.holder == "a"
    assert second.expires_at == pytest.approx(first.expires_at, abs=1e-3)


def test_lease__renewed(store: VectorStore) -> None:
    """The holder moves the end of its lease."""
    first = store.acquire_lease("retrain", holder="a", seconds=10)
    renewed = store.acquire_lease("retrain", holder="a", seconds=3600)

    assert renewed.expires_at > first.expires_at + 3000
    told = store.acquire_lease("retrain", holder="b", seconds=1)
    assert told.expires_at == pytest.approx(renewed.expires_at, abs=1e-3)


def test_lease__expired_is_free(store: VectorStore) -> None:
    """A lease past its end goes to whoever asks next; the old holder is then told so."""
    store.acquire_lease("retrain", holder="dead", seconds=0)

    assert store.acquire_lease("retrain", holder="b", seconds=3600).holder == "b"
    assert store.acquire_lease("retrain", holder="dead", seconds=3600).holder == "b"


def test_lease__given_back(store: VectorStore) -> None:
    """A lease that was given back is free; giving back what one has not changes nothing."""
    store.acquire_lease("retrain", holder="a", seconds=3600)

    store.release_lease("retrain", holder="b")
    assert store.acquire_lease("retrain", holder="b", seconds=3600).holder == "a"
    store.release_lease("retrain", holder="a")
    store.release_lease("retrain", holder="a")
    assert store.acquire_lease("retrain", holder="b", seconds=3600).holder == "b"


def test_lease__names_are_independent(store: VectorStore) -> None:
    """Leases of different names have different holders, and are no heads."""
    assert store.acquire_lease("retrain", holder="a", seconds=3600).holder == "a"
    assert store.acquire_lease("optimize", holder="b", seconds=3600).holder == "b"
    assert store.heads() == []


def test_lease__raced_for(store: VectorStore) -> None:
    """Of many that ask at the same time, exactly one gets it, and all are told who."""

    def ask(n: int) -> str:
        return store.acquire_lease("retrain", holder=f"holder {n}", seconds=3600).holder

    with ThreadPoolExecutor(8) as threads:
        holders = list(threads.map(ask, range(8)))

    assert len(set(holders)) == 1
