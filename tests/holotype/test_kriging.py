"""Kriging weights: against a hand-written Gaussian process, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from holotype.kriging import kriging_weights


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Three queries with six neighbours each, in eight dimensions."""
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(3, 8))), unit(rng.normal(size=(3, 6, 8)))


def weights_of(queries: np.ndarray, neighbours: np.ndarray, **options: object) -> np.ndarray:
    """Kriging weights from vectors."""
    to_query = np.einsum("qkd,qd->qk", neighbours, queries)
    among = np.einsum("qkd,qld->qkl", neighbours, neighbours)
    return kriging_weights(to_query, among, **options)  # type: ignore[arg-type]


def test_kriging_weights__sum_to_one(scene: tuple[np.ndarray, np.ndarray]) -> None:
    """Whatever the neighbours, their weights are shares of one vote."""
    assert weights_of(*scene).sum(axis=1) == pytest.approx(1.0)


def test_kriging_weights__agree_with_a_gaussian_process(
    scene: tuple[np.ndarray, np.ndarray],
) -> None:
    """Before the correction, predictions are those of scikit-learn's Gaussian process."""
    queries, neighbours = scene
    values = np.random.default_rng(1).normal(size=6)
    # exp(cos - 1) = exp(-distance^2 / 2) on unit vectors: scikit-learn's RBF of length 1.
    process = GaussianProcessRegressor(RBF(1.0), alpha=0.3, optimizer=None)
    for query, near, weights in zip(queries, neighbours, weights_of(*scene), strict=True):
        plain = process.fit(near, values).predict(query[None])[0]
        ones = process.fit(near, np.ones(6)).predict(query[None])[0]
        inverse = np.linalg.inv(process.kernel_(near) + 0.3 * np.eye(6))
        correction = inverse.sum(axis=1) / inverse.sum() * (1 - ones)
        assert weights @ values == pytest.approx(plain + correction @ values)


def test_kriging_weights__twins_share_a_vote() -> None:
    """A picture that is in the gallery five times counts little more than one that is once."""
    query = unit(np.array([[1.0, 1.0, 0.0]]))
    neighbours = np.array([[[1.0, 0, 0]] * 5 + [[0, 1.0, 0]]])
    weights = weights_of(query, neighbours)[0]
    assert weights[:5] == pytest.approx(weights[0])
    assert weights[:5].sum() < 1.5 * weights[5]


def test_kriging_weights__missing_neighbours_count_nothing(
    scene: tuple[np.ndarray, np.ndarray],
) -> None:
    """A shorter list is answered as if nothing stood in the places that are left."""
    queries, neighbours = scene
    present = np.arange(6) < 4
    padded = weights_of(queries, neighbours, present=np.tile(present, (3, 1)))
    assert padded[:, :4] == pytest.approx(weights_of(queries, neighbours[:, :4]))
    assert not padded[:, 4:].any()


def test_kriging_weights__without_neighbours() -> None:
    """A query without neighbours gets no weights and no error."""
    weights = kriging_weights(
        np.zeros((1, 2)), np.zeros((1, 2, 2)), present=np.zeros((1, 2), dtype=bool)
    )
    assert weights.tolist() == [[0.0, 0.0]]


def test_kriging_weights__one_neighbour_has_the_whole_vote() -> None:
    """With nobody else there, even a distant neighbour decides."""
    assert kriging_weights(np.array([[-0.5]]), np.ones((1, 1, 1))) == pytest.approx(1.0)
