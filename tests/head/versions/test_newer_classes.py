"""Means of classes that the head does not know, read from a gallery that goes on changing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from head.data.training_set import export_training_set
from head.trust.flats import DIRECTIONS, Flats
from head.versions.class_means import FEW
from head.versions.head import Head
from head.versions.newer_classes import NewerClasses
from holotype.errors import StoreError
from holotype.references import VectorBatch, Where
from holotype.store.port import VectorStore
from tests.head.conftest import Clouds
from tests.head.versions.test_class_means import lda_head
from tests.references import Pictures, picture_id

ENOUGH_S = 30.0


@pytest.fixture
def head(clouds: Clouds) -> Head:
    """Trained on other classes."""
    return lda_head(clouds.training_set({"ant": 12, "bee": 12, "wasp": 12}))


def means(found: Any) -> dict[str, Any]:
    """By label."""
    return {new.label: new.mean for new in found}


def true_means(store: VectorStore, counts: Mapping[str, int]) -> dict[str, Any]:
    """From a whole export."""
    whole = {label: list(store.export(where=Where.equal("label", label))) for label in counts}
    return {k: np.concatenate([b.vectors for b in v]).mean(0) for k, v in whole.items()}


def assert_right(newer: NewerClasses, store: VectorStore) -> None:
    """What is read is what there is."""
    counts = store.counts()
    found = newer.read(counts, seconds=ENOUGH_S)
    assert {new.label: new.count for new in found} == counts
    for label, mean in true_means(store, counts).items():
        np.testing.assert_allclose(means(found)[label], mean, atol=1e-6)


def test_read__follows_additions(
    store: VectorStore, head: Head, clouds: Clouds, pictures: Pictures
) -> None:
    """New references and new classes are added to what was read before."""
    newer = NewerClasses(store, head)
    for first in range(0, 30, 10):
        store.add(clouds.references({"moth": 10, f"fly {first}": 3}, pictures, first=first))
        assert_right(newer, store)


def test_read__knows_what_the_first_few_span(
    store: VectorStore, head: Head, clouds: Clouds, pictures: Pictures
) -> None:
    """References that were added later count, too, up to as many as the gate was rehearsed with."""
    newer = NewerClasses(store, head)
    for n in (1, 3, FEW, FEW + 5):
        known = store.counts().get("moth", 0)
        store.add(clouds.references({"moth": n - known}, pictures, first=known))
        [moth] = newer.read(store.counts(), seconds=ENOUGH_S)
        assert moth.flat is not None
        near = Flats.joined([moth.flat]).nearness(head.features.of(clouds.of("moth", n)))
        spanned_by = np.sort(near[:, 0])[::-1][: min(n, DIRECTIONS)]
        assert (spanned_by > 0.7).all()
        assert len(moth.flat) == min(n, DIRECTIONS)


def test_read__follows_removals_and_relabels(
    store: VectorStore, head: Head, clouds: Clouds, pictures: Pictures
) -> None:
    """A class that lost references is read again, at the latest when it is due."""
    newer = NewerClasses(store, head)
    store.add(clouds.references({"moth": 10, "fly": 10}, pictures))
    assert_right(newer, store)
    newer._again.due_at = 0.0
    store.remove(ids=[picture_id("moth-3")])
    assert_right(newer, store)
    newer._again.due_at = 0.0
    store.relabel("moth", ids=[picture_id("fly-1")])
    assert_right(newer, store)
    store.relabel("midge", where=Where.equal("label", "fly"))
    assert_right(newer, store)


def test_read__a_large_class_a_little_at_a_time(
    store: VectorStore, head: Head, clouds: Clouds, pictures: Pictures
) -> None:
    """What was read so far serves as a sample; what is added meanwhile is not lost."""
    store.add(clouds.references({"moth": 1500}, pictures))
    newer = NewerClasses(cast("VectorStore", Paged(store)), head)
    assert newer.read({"moth": 1500}, seconds=0) == []
    newer._passes["moth"].sum.add(newer._mapped(next(newer._passes["moth"].batches)))
    assert newer.due_at == 0.0
    (sample,) = newer.read({"moth": 1500}, seconds=0)
    np.testing.assert_allclose(sample.mean, true_means(store, {"moth": 1})["moth"], atol=0.2)
    store.add(clouds.references({"moth": 20}, pictures, first=1500))
    assert_right(newer, store)
    assert newer.due_at is None


def test_read__that_fails_goes_on_where_it_was(
    store: VectorStore, head: Head, clouds: Clouds, pictures: Pictures
) -> None:
    """Nothing is taken twice or left out."""
    failing = Paged(store, fails=True)
    newer = NewerClasses(cast("VectorStore", failing), head)
    store.add(clouds.references({"moth": 10}, pictures))
    for _ in range(2):
        with pytest.raises(StoreError, match="gone"):
            newer.read(store.counts(), seconds=ENOUGH_S)
    failing.fails = False
    assert_right(newer, store)
    failing.fails = True
    store.add(clouds.references({"moth": 10}, pictures, first=10))
    with pytest.raises(StoreError, match="gone"):
        newer.read(store.counts(), seconds=ENOUGH_S)
    failing.fails = False
    assert_right(newer, store)


def test_training__a_gallery_that_never_stands_still(
    store: VectorStore, clouds: Clouds, pictures: Pictures, tmp_path: Path
) -> None:
    """It is trained on as it is found, more than was counted included."""
    store.add(clouds.references({"ant": 12, "bee": 12}, pictures))
    restless = Paged(store, writes=lambda n: clouds.references({"moth": 9}, pictures, first=9 * n))
    training, state = export_training_set(cast("VectorStore", restless))
    assert len(training) == len(set(training.marks.tolist())) >= 24
    assert {"ant", "bee"} <= set(training.labels) <= {"ant", "bee", "moth"}
    assert store.count(changed_after=state.last_change) > 0


@dataclass
class Paged:
    """A real store that is read in small batches, beside writes or until it fails."""

    store: VectorStore
    fails: bool = False
    writes: Any = None
    exports: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def export(self, **options: Any) -> Iterator[VectorBatch]:
        """A batch, then what is to happen, then the rest."""
        self.exports += 1
        batches = self.store.export(**{**options, "batch_size": 4})
        first = next(batches, None)
        if first is not None:
            yield first
        if self.fails:
            raise StoreError("the store is gone")
        if self.writes is not None:
            self.store.add(self.writes(self.exports))
        yield from batches
