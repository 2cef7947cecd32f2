"""The solver against scikit-learn's LogisticRegression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from head.fit import logistic
from head.fit.logistic import make_space, solve
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
    layer = solve(space, strength, tolerance=1e-7).layer()
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
        before = solve(space, strength, start=before).layer()
        mine = before.logits(queries).argmax(axis=1)
        theirs = LogisticRegression(C=strength, max_iter=5000).fit(data.vectors, data.codes)
        assert 0.5 < (mine == truth).mean() < 1.0
        assert (mine == truth).mean() == pytest.approx(theirs.score(queries, truth), abs=0.005)


@pytest.mark.usefixtures("_coordinates")
def test_solver__a_class_without_references_is_never_answered() -> None:
    """A fold may have lost all references of a class: its row is there and never wins."""
    data = Clouds(24).training_set(SIZES)
    kept = data.rows(np.flatnonzero(data.codes != 2))
    space = make_space(kept.vectors, kept.codes, n_classes=5)
    answers = solve(space, 100.0).layer().logits(data.vectors).argmax(axis=1)
    assert set(answers.tolist()) == {0, 1, 3, 4}


def never(_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues that are not found."""
    raise torch.linalg.LinAlgError("the algorithm failed to converge")


def in_silence(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues that are not found, and no word of it."""
    return torch.full_like(matrix[0], torch.nan), torch.full_like(matrix, torch.nan)


@pytest.mark.parametrize("fail", [never, in_silence])
@pytest.mark.parametrize("failing", [{torch.float32}, {torch.float32, torch.float64}])
def test_solver__eigenvalues_that_are_not_found(
    monkeypatch: pytest.MonkeyPatch,
    failing: set[torch.dtype],
    fail: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> None:
    """Where single precision fails double finds them, and without any the answer is the same."""
    data = Clouds(24).training_set(SIZES)
    usual = solve(make_space(data.vectors, data.codes, n_classes=5), 10.0).layer()
    eigh = torch.linalg.eigh
    monkeypatch.setattr(
        torch.linalg,
        "eigh",
        lambda matrix: fail(matrix) if matrix.dtype in failing else tuple(eigh(matrix)),
    )
    otherwise = solve(make_space(data.vectors, data.codes, n_classes=5), 10.0).layer()
    np.testing.assert_allclose(
        _probabilities(otherwise.logits(data.vectors)),
        _probabilities(usual.logits(data.vectors)),
        atol=0.02,
    )


def test_solver__starts_from_a_solution_in_other_coordinates() -> None:
    """A solution on a part of the vectors is a start for all: few passes are left."""
    data = Clouds(24).training_set(SIZES)
    part = data.rows(np.arange(0, len(data), 2))
    first = solve(make_space(part.vectors, part.codes, n_classes=5), 10.0)
    space = make_space(data.vectors, data.codes, n_classes=5)
    afresh = solve(space, 10.0)
    moved = solve(space, 10.0, start=first.layer())
    np.testing.assert_allclose(
        _probabilities(moved.layer().logits(data.vectors)),
        _probabilities(afresh.layer().logits(data.vectors)),
        atol=0.03,
    )
    assert moved.passes <= afresh.passes


def test_solver__same_input_same_weights() -> None:
    """Solving twice gives the same bits."""
    data = Clouds(24).training_set(SIZES)
    first, second = (
        solve(make_space(data.vectors, data.codes, n_classes=5), 10.0).layer() for _ in range(2)
    )
    assert (first.weights == second.weights).all()


def _probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
