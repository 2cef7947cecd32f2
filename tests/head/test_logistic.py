"""The batched solver against scikit-learn's LogisticRegression."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from head import logistic
from head.logistic import make_space, solve
from tests.head.conftest import Clouds

SIZES = {"ant": 60, "bee": 35, "wasp": 20, "fly": 6, "moth": 2}


@pytest.fixture(params=["rotated", "plain coordinates"])
def _coordinates(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of small and of large galleries, on the same data."""
    if request.param != "rotated":
        monkeypatch.setattr(logistic, "ROTATED_UP_TO", 0)
    monkeypatch.setattr(logistic, "BLOCK_ELEMENTS", 1)  # many blocks


@pytest.mark.usefixtures("_coordinates")
@pytest.mark.parametrize("strength", [0.3, 10.0, 300.0])
def test_solver__finds_the_weights_of_scikit_learn(strength: float) -> None:
    """At the same C, solved tightly, weights agree (scikit-learn's are centred over classes)."""
    data = Clouds(24).training_set(SIZES)
    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(data.vectors, data.codes)
    space = make_space(data.vectors, data.codes, n_classes=5)
    rows = np.ones((1, len(data)), dtype=bool)
    layer = solve(space, rows, np.array([strength]), tolerance=1e-7).layer(0)
    weights = layer.weights - layer.weights.mean(axis=0)
    scale = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(weights / scale, theirs.coef_ / scale, atol=2e-3)


@pytest.mark.usefixtures("_coordinates")
def test_solver__predicts_as_scikit_learn_does_at_its_own_tolerance() -> None:
    """Accuracy on unseen vectors agrees within 0.5 points at every C, as solved for the search."""
    clouds = Clouds(48, spread=0.45)
    sizes = dict.fromkeys(["ant", "bee", "wasp", "fly", "moth"], 40)
    data = clouds.training_set(sizes)
    queries = np.concatenate([clouds.of(label, 200, first=1000) for label in sorted(sizes)])
    truth = np.repeat(np.arange(5), 200)
    space = make_space(data.vectors, data.codes, n_classes=5)
    before = None
    for strength in (1.0, 10.0, 100.0):
        before = solve(space, np.ones((1, 200), bool), np.array([strength]), start=before)
        mine = before.layer(0).logits(queries).argmax(axis=1)
        theirs = LogisticRegression(C=strength, max_iter=5000).fit(data.vectors, data.codes)
        assert 0.5 < (mine == truth).mean() < 1.0
        assert (mine == truth).mean() == pytest.approx(theirs.score(queries, truth), abs=0.005)


@pytest.mark.usefixtures("_coordinates")
def test_solver__batch_is_the_problems_one_by_one() -> None:
    """Folds and strengths solved together are those solved alone on their rows."""
    data = Clouds(24).training_set(SIZES)
    rng = np.random.default_rng(0)
    rows = rng.random((3, len(data))) < 0.8
    strengths = np.array([1.0, 10.0, 100.0])
    space = make_space(data.vectors, data.codes, n_classes=5)
    together = solve(space, rows, strengths, tolerance=1e-7)
    for i, strength in enumerate(strengths):
        part = data.rows(np.flatnonzero(rows[i]))
        own = make_space(part.vectors, part.codes, n_classes=5)
        everything = np.ones((1, len(part)), dtype=bool)
        alone = solve(own, everything, np.array([strength]), tolerance=1e-7)
        np.testing.assert_allclose(
            _probabilities(together.layer(i).logits(data.vectors)),
            _probabilities(alone.layer(0).logits(data.vectors)),
            atol=5e-3,
        )


def test_solver__starts_from_a_solution_in_other_coordinates() -> None:
    """A solution on a part of the vectors is a start for all: few passes are left."""
    data = Clouds(24).training_set(SIZES)
    part = data.rows(np.arange(0, len(data), 2))
    strength = np.array([10.0])
    first = solve(
        make_space(part.vectors, part.codes, n_classes=5), np.ones((1, len(part)), bool), strength
    )
    space = make_space(data.vectors, data.codes, n_classes=5)
    everything = np.ones((1, len(data)), dtype=bool)
    afresh = solve(space, everything, strength)
    moved = solve(space, everything, strength, start=first)
    np.testing.assert_allclose(
        _probabilities(moved.layer(0).logits(data.vectors)),
        _probabilities(afresh.layer(0).logits(data.vectors)),
        atol=0.03,
    )
    assert moved.passes <= afresh.passes


def test_solver__same_input_same_weights() -> None:
    """Solving twice gives the same bits."""
    data = Clouds(24).training_set(SIZES)
    rows, strengths = np.ones((1, len(data)), dtype=bool), np.array([10.0])
    first, second = (
        solve(make_space(data.vectors, data.codes, n_classes=5), rows, strengths).layer(0)
        for _ in range(2)
    )
    assert (first.weights == second.weights).all()


def _probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
