"""The solver against scikit-learn's LogisticRegression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from head.data.training_set import TrainingSet
from head.fit import logistic
from head.fit.lda import LinearLayer
from head.fit.logistic import (
    Solution,
    SolverSpace,
    backend,
    is_small,
    make_space,
    rotated,
    solve,
)
from head.fit.options import TrainOptions
from head.fit.statistics import gather, within_class
from tests.head.conftest import Clouds

SIZES = {"ant": 60, "bee": 35, "wasp": 20, "fly": 6, "moth": 2}


@pytest.fixture(params=["numpy", "torch"], autouse=True)
def _arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of small and of large problems, on the same data."""
    if request.param == "torch":
        monkeypatch.setattr(logistic, "SMALL", 0)
    monkeypatch.setattr(logistic, "BLOCK_ELEMENTS", 1)  # many blocks


def solved(
    data: TrainingSet, strength: float, *, start: LinearLayer | None = None, **options: Any
) -> tuple[LinearLayer, int]:
    """The layer of all references, and the passes that it took."""
    space = space_of(data)
    found = solve(
        space, strength, start=None if start is None else Solution.placed(start, space), **options
    )
    return found.layer(space), found.passes


def space_of(data: TrainingSet) -> SolverSpace:
    """All references, rotated."""
    n_classes = len(data.labels)
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=n_classes)[0]
    within = within_class(moments, data.vectors, data.codes)
    assert within is not None
    within = within.shrunk_at_least(0.5)
    return make_space(rotated(data.vectors, within), data.codes, within, TrainOptions(device="cpu"))


@pytest.mark.parametrize("strength", [0.3, 10.0, 300.0])
def test_solver__finds_the_weights_of_scikit_learn(strength: float) -> None:
    """At the same C, solved tightly, weights agree (scikit-learn's are centred over classes)."""
    data = Clouds(24).training_set(SIZES)
    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(data.vectors, data.codes)
    layer, _ = solved(data, strength, tolerance=1e-7)
    weights = layer.weights - layer.weights.mean(axis=0)
    scale = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(weights / scale, theirs.coef_ / scale, atol=2e-3)


def test_solver__predicts_as_scikit_learn_does_at_its_own_tolerance() -> None:
    """Accuracy on unseen vectors agrees within 0.5 points at every C, as solved for the search."""
    clouds = Clouds(48, spread=0.45)
    sizes = dict.fromkeys(["ant", "bee", "wasp", "fly", "moth"], 40)
    data = clouds.training_set(sizes)
    queries = np.concatenate([clouds.of(label, 200, first=1000) for label in sorted(sizes)])
    truth = np.repeat(np.arange(5), 200)
    before = None
    for strength in (1.0, 10.0, 100.0):
        before, _ = solved(data, strength, start=before)
        mine = before.logits(queries).argmax(axis=1)
        theirs = LogisticRegression(C=strength, max_iter=5000).fit(data.vectors, data.codes)
        assert 0.5 < (mine == truth).mean() < 1.0
        assert (mine == truth).mean() == pytest.approx(theirs.score(queries, truth), abs=0.005)


def test_solver__a_class_without_references_is_never_answered() -> None:
    """A fold may have lost all references of a class: its row is there and never wins."""
    data = Clouds(24).training_set(SIZES)
    kept = data.rows(np.flatnonzero(data.codes != 2))
    answers = solved(kept, 100.0)[0].logits(data.vectors).argmax(axis=1)
    assert set(answers.tolist()) == {0, 1, 3, 4}


def test_solver__the_whitened_penalty_is_that_of_whitened_vectors() -> None:
    """Weights are those of scikit-learn on vectors that were whitened, and scaled, by hand."""
    data = Clouds(24).training_set(SIZES)
    space = space_of(data)
    within = space.within
    white = (data.vectors - within.centre) @ within.whitening()
    white /= np.sqrt((white**2).sum(axis=1).mean())
    theirs = LogisticRegression(C=30.0, tol=1e-8, max_iter=5000).fit(white, data.codes)
    mine = solve(space, 30.0, whitened=True, tolerance=1e-7).layer(space).logits(data.vectors)
    expected = theirs.decision_function(white)
    np.testing.assert_allclose(
        mine - mine.mean(axis=1, keepdims=True), expected, atol=2e-3 * np.abs(expected).max()
    )


def test_solver__starts_from_a_solution_in_other_coordinates() -> None:
    """A solution on a part of the vectors is a start for all: few passes are left."""
    data = Clouds(24).training_set(SIZES)
    part = data.rows(np.arange(0, len(data), 2))
    first, _ = solved(part, 10.0)
    afresh, passes = solved(data, 10.0)
    moved, fewer = solved(data, 10.0, start=first)
    np.testing.assert_allclose(
        _probabilities(moved.logits(data.vectors)),
        _probabilities(afresh.logits(data.vectors)),
        atol=0.03,
    )
    assert fewer <= passes


def test_solver__same_input_same_weights() -> None:
    """Solving twice gives the same bits."""
    data = Clouds(24).training_set(SIZES)
    (first, _), (second, _) = (solved(data, 10.0) for _ in range(2))
    assert (first.weights == second.weights).all()


def test_solver__small_problems_do_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one core is enough for stays in NumPy, unless a GPU was asked for."""
    monkeypatch.undo()
    assert is_small(1_000, 384, 100)
    assert not is_small(20_000, 384, 300)
    assert backend(small=True, device="auto").functions is np
    assert backend(small=False, device="cpu").functions is not np
    assert backend(small=True, device="cuda").functions is not np


def _probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
