"""The streamed statistics against scikit-learn and numpy on the whole array."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from head.fit import statistics
from head.fit.features import FeatureMap
from head.fit.statistics import gather, total, within_class
from head.fit.whitening import Metric
from tests.head.conftest import Clouds

SIZES = {"ant": 40, "bee": 25, "wasp": 9, "fly": 2, "moth": 1}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows, so that every test streams."""
    monkeypatch.setattr(statistics, "BLOCK_BYTES", 8 * 24 * 10)


def test_within_class__agrees_with_ledoit_wolf_of_centred_vectors() -> None:
    """Covariance and shrinkage are scikit-learn's on vectors less their class mean."""
    data = Clouds(24).training_set({"ant": 40, "bee": 25, "wasp": 9})
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=3)[0]
    within = within_class(moments, data.vectors, data.codes)
    means = np.stack([data.vectors[data.codes == c].mean(axis=0, dtype=float) for c in range(3)])
    covariance, shrinkage = ledoit_wolf(data.vectors - means[data.codes], assume_centered=True)
    assert within is not None
    assert within.shrinkage == pytest.approx(shrinkage, rel=1e-9)
    np.testing.assert_allclose(within.means, means, atol=1e-12)
    np.testing.assert_allclose(within.shrunk, covariance, rtol=1e-9, atol=1e-15)


def test_within_class__parts_add_up_to_training_without_a_fold() -> None:
    """The statistics of all parts but one are those of the other references alone."""
    data = Clouds(24).training_set(SIZES)
    parts = np.random.default_rng(0).integers(0, 4, len(data))
    moments = gather(data.vectors, data.codes, parts, n_classes=5)
    kept = parts != 2
    added = within_class(
        total([m for part, m in moments.items() if part != 2]), data.vectors, data.codes, kept
    )
    alone = data.rows(np.flatnonzero(kept))
    direct = within_class(
        gather(alone.vectors, alone.codes, np.zeros(len(alone)), n_classes=5)[0],
        alone.vectors,
        alone.codes,
    )
    assert added is not None
    assert direct is not None
    assert added.shrinkage == pytest.approx(direct.shrinkage, rel=1e-9)
    np.testing.assert_allclose(added.covariance, direct.covariance, atol=1e-14)


def test_within_class__lone_references_do_not_count_as_spread() -> None:
    """A class of one reference changes neither covariance nor shrinkage; its mean is kept."""
    with_lone = Clouds(24).training_set(SIZES)
    without = with_lone.rows(np.flatnonzero(with_lone.codes != with_lone.labels.index("moth")))
    found = []
    for data in (with_lone, without):
        moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=5)[0]
        found.append(within_class(moments, data.vectors, data.codes))
    one, other = found
    assert one is not None
    assert other is not None
    assert one.shrinkage == pytest.approx(other.shrinkage, rel=1e-9)
    np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-14)
    moth = with_lone.labels.index("moth")
    np.testing.assert_allclose(one.means[moth], with_lone.vectors[with_lone.codes == moth][0])


@pytest.mark.parametrize("sizes", [{"ant": 1, "bee": 1}, {"ant": 3, "bee": 3}])
def test_within_class__nothing_where_no_class_varies(sizes: dict[str, int]) -> None:
    """Lone references, or copies of one vector, have no spread to learn."""
    data = Clouds(24, spread=0.0).training_set(sizes)
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=2)[0]
    assert within_class(moments, data.vectors, data.codes) is None


def test_within_class__statistics_of_mapped_vectors() -> None:
    """A feature map applied on the fly gives the statistics of mapped vectors."""
    data = Clouds(24).training_set(SIZES)
    rooted = FeatureMap.ROOT.of(data.vectors)
    parts = np.zeros(len(data))
    on_the_fly = within_class(
        gather(data.vectors, data.codes, parts, n_classes=5, features=FeatureMap.ROOT)[0],
        data.vectors,
        data.codes,
        features=FeatureMap.ROOT,
    )
    before = within_class(gather(rooted, data.codes, parts, n_classes=5)[0], rooted, data.codes)
    assert on_the_fly is not None
    assert before is not None
    assert on_the_fly.shrinkage == pytest.approx(before.shrinkage, rel=1e-9)
    np.testing.assert_allclose(on_the_fly.covariance, before.covariance, atol=1e-14)


def test_metric__is_the_eigendecomposition_up_to_a_rotation() -> None:
    """Cosines in the whitened space are those that whitening by eigenvectors gives."""
    data = Clouds(24).training_set(SIZES)
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=5)[0]
    within = within_class(moments, data.vectors, data.codes)
    assert within is not None
    variances, directions = np.linalg.eigh(within.shrunk)
    placed = (data.vectors - data.vectors.mean(axis=0, dtype=float)) @ (
        directions / np.sqrt(variances)
    )
    expected = placed / np.linalg.norm(placed, axis=1, keepdims=True)
    white = Metric.of(within, FeatureMap.PLAIN).whiten(data.vectors)
    assert white.dtype == np.float32
    np.testing.assert_allclose(white @ white.T, expected @ expected.T, atol=2e-5)


def test_metric__whitened_classes_have_unit_covariance() -> None:
    """Where shrinkage is slight, vectors less their class mean vary alike in all directions."""
    data = Clouds(4).training_set({"ant": 3000, "bee": 3000})
    data.vectors[:] *= np.array([1.0, 3.0, 0.2, 1.0], np.float32)
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=2)[0]
    within = within_class(moments, data.vectors, data.codes)
    assert within is not None
    placed = Metric.of(within, FeatureMap.PLAIN).place(data.vectors)
    for code in range(2):
        mine = placed[data.codes == code]
        placed[data.codes == code] = mine - mine.mean(axis=0)
    np.testing.assert_allclose(placed.T @ placed / len(placed), np.eye(4), atol=0.1)


def test_without__is_what_is_estimated_afresh() -> None:
    """Classes that are taken out leave the statistics of the others, and their centre."""
    data = Clouds(24).training_set(SIZES)
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=5)[0]
    within = within_class(moments, data.vectors, data.codes)
    gone = np.isin(data.codes, [0, 3])
    rest = data.rows(np.flatnonzero(~gone))
    moments = gather(rest.vectors, rest.codes, np.zeros(len(rest)), n_classes=5)[0]
    afresh = within_class(moments, rest.vectors, rest.codes)
    assert within is not None
    assert afresh is not None
    found = within.without(data.vectors[gone], data.codes[gone])
    assert found is not None
    np.testing.assert_allclose(found.covariance, afresh.covariance, atol=1e-8)
    np.testing.assert_allclose(found.centre, afresh.centre, atol=1e-8)
    assert found.shrinkage == within.shrinkage


def test_without__the_only_classes_that_spread_leaves_nothing() -> None:
    """What is left has no spread to learn."""
    data = Clouds(24).training_set({"ant": 5, "moth": 1})
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=2)[0]
    within = within_class(moments, data.vectors, data.codes)
    assert within is not None
    assert within.without(data.vectors[data.codes == 0], data.codes[data.codes == 0]) is None


def test_without__leaves_no_rounding_for_a_spread() -> None:
    """Classes of copies of one reference each do not spread, however the rest did."""
    random = np.random.default_rng(0).normal(size=(4, 6))
    vectors = np.concatenate([random, np.repeat(random[:2], 3, axis=0)]).astype(np.float32)
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    moments = gather(vectors, codes, np.zeros(10), n_classes=3)[0]
    within = within_class(moments, vectors, codes)
    assert within is not None
    assert within.without(vectors[:4], codes[:4]) is None
