"""Versions: which there are, which answers, going back, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from head.fit.features import FeatureMap
from head.fit.whitening import Metric
from head.versions import registry
from head.versions.export import export_head
from head.versions.head import ClassMeans, Head
from holotype.errors import HeadError, NoActiveHead, UnknownHead
from holotype.heads import HeadRecord
from holotype.store.port import VectorStore


def make_head(version: str, dimension: int, *, status: str = "ready") -> Head:
    """A head with all its parts, its numbers random."""
    rng = np.random.default_rng(list(version.encode()))
    labels = ("ant", "bee", "wasp")
    record = HeadRecord(
        version=version,
        created_at="2026-11-01T12:00:00+00:00",
        status=status,
        labels=labels,
        report={"parameters": {"temperature": 0.5, "features": "root"}},
    )

    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Head(
        record=record,
        labels=labels,
        weights=numbers(3, dimension),
        bias=numbers(3),
        temperature=0.5,
        features=FeatureMap.ROOT,
        metric=Metric(numbers(dimension, dimension), numbers(dimension), FeatureMap.ROOT),
        class_means=ClassMeans(numbers(3, dimension), np.array([4, 5, 6], np.float32)),
    )


def save(store: VectorStore, *versions: str) -> None:
    """Store heads without making them active."""
    for version in versions:
        store.save_head(make_head(version, store.fingerprint.dimension).to_stored())


def test_head__comes_back_from_the_store_as_it_was(store: VectorStore) -> None:
    """Every number of a head survives the store."""
    head = make_head("a", store.fingerprint.dimension)
    store.save_head(head.to_stored())
    loaded = registry.load(store, "a")
    vectors = np.eye(head.dimension, dtype=np.float32)
    assert (loaded.probabilities(vectors) == head.probabilities(vectors)).all()
    assert loaded.metric is not None
    assert head.metric is not None
    assert (loaded.metric.whiten(vectors) == head.metric.whiten(vectors)).all()
    assert loaded.class_means is not None
    assert head.class_means is not None
    assert (loaded.class_means.means == head.class_means.means).all()
    assert (loaded.class_means.counts == head.class_means.counts).all()


def test_head__refuses_vectors_of_another_encoder() -> None:
    """The message says which length it takes."""
    head = make_head("a", 16)
    with pytest.raises(HeadError, match="takes vectors of 16 numbers"):
        head.probabilities(np.ones((1, 8), np.float32))


def test_active__none_before_the_first(store: VectorStore) -> None:
    """An untrained gallery has no active head, and nothing to roll back."""
    assert registry.active(store) is None
    with pytest.raises(NoActiveHead, match="run `retrain`"):
        registry.rollback(store)


def test_promote_and_rollback__walk_back_through_what_was_active(store: VectorStore) -> None:
    """Rollback undoes promotions one by one, and says when there are no more."""
    save(store, "a", "b", "c")
    for version in ("a", "b", "c"):
        registry.promote(store, version)
    assert registry.rollback(store).version == "b"
    assert registry.rollback(store).version == "a"
    with pytest.raises(HeadError, match="head a has no earlier version to go back to"):
        registry.rollback(store)


def test_promote__active_one_again_changes_nothing(store: VectorStore) -> None:
    """Promoting twice does not make rollback a step to the same version."""
    save(store, "a", "b")
    registry.promote(store, "a")
    registry.promote(store, "b")
    registry.promote(store, "b")
    assert registry.rollback(store).version == "a"


def test_rollback__skips_versions_that_were_removed(store: VectorStore) -> None:
    """A version that is no more is not gone back to."""
    save(store, "a", "b", "c")
    for version in ("a", "b", "c"):
        registry.promote(store, version)
    store.remove_head("b")
    assert registry.rollback(store).version == "a"


def test_promote__unknown_version_is_named(store: VectorStore) -> None:
    """The message says where to look."""
    with pytest.raises(UnknownHead, match="no head 'x': `retrain list`"):
        registry.promote(store, "x")


def test_export__files_reproduce_the_probabilities(store: VectorStore, tmp_path: Path) -> None:
    """With nothing but the two files, the stated formula gives the head's probabilities."""
    head = make_head("a", store.fingerprint.dimension)
    paths = export_head(head, store.fingerprint, tmp_path / "out")
    assert [path.name for path in paths] == ["head.safetensors", "head.json"]
    numbers = load_file(paths[0])
    description = json.loads(paths[1].read_text(encoding="utf-8"))
    assert description["labels"] == ["ant", "bee", "wasp"]
    assert description["fingerprint"] == store.fingerprint.to_dict()
    vectors = np.eye(head.dimension, dtype=np.float32)
    assert description["features"] == "root"  # unit vectors of one component are their own roots
    logits = (vectors @ numbers["weights"].T + numbers["bias"]) / description["temperature"]
    odds = np.exp(logits)
    expected = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.probabilities(vectors), expected, rtol=1e-5)


def test_export__folder_that_cannot_be_is_named(store: VectorStore, tmp_path: Path) -> None:
    """A file in the way is an error that names it."""
    (tmp_path / "file").write_text("")
    head = make_head("a", store.fingerprint.dimension)
    with pytest.raises(HeadError, match=r"cannot export head a to .*file"):
        export_head(head, store.fingerprint, tmp_path / "file")
