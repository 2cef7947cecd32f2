"""The winner on all references, against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from head.choice import refit
from head.choice.candidates import Candidate, logistic_path, solver_spaces, whitened_path
from head.choice.cross_validation import prepare, within_everything
from head.choice.refit import Refit
from head.fit.features import FeatureMap
from head.fit.lda import LinearLayer
from head.fit.options import TrainOptions
from tests.head.conftest import Clouds


def test_refit__penalty_per_reference_is_the_cross_validated_one() -> None:
    """Folds of 96 references judged C, so 120 references are fitted at four fifths of it.

    At C itself the logits would be larger than those that the temperature was fitted to.
    """
    data = Clouds(24).training_set({"ant": 40, "bee": 40, "wasp": 40})
    search = prepare(data)
    judged = logistic_path(search, solver_spaces(search, TrainOptions()))[0]
    assert judged.strength == 1.0

    layer = Refit(data, search, None, TrainOptions()).winner(judged)

    theirs = LogisticRegression(C=0.8, tol=1e-8, max_iter=5000).fit(data.vectors, data.codes)
    weights = layer.weights - layer.weights.mean(axis=0)
    assert np.linalg.norm(weights) == pytest.approx(np.linalg.norm(theirs.coef_), rel=0.02)
    at_c = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(data.vectors, data.codes)
    assert np.linalg.norm(at_c.coef_) > 1.05 * np.linalg.norm(weights)


@pytest.mark.parametrize("follow", [logistic_path, whitened_path])
def test_refit__start_changes_nothing(follow: Callable[..., list[Candidate]]) -> None:
    """From what a fold found or from nothing: the same probabilities come out."""
    data = Clouds(24, spread=0.45).training_set({"ant": 40, "bee": 40, "wasp": 40})
    search = prepare(data)
    judged = follow(search, solver_spaces(search, TrainOptions()))[1]
    nothing = LinearLayer(np.zeros((3, 24)), np.zeros(3))
    fit = Refit(data, search, within_everything(data, search.features), TrainOptions())
    found, afresh = (
        fit.winner(start).logits(search.features.of(data.vectors))
        for start in (judged, replace(judged, layers=(nothing,) * len(judged.layers)))
    )
    differences = found - found.mean(axis=1, keepdims=True)
    assert np.abs(differences).max() > 1
    np.testing.assert_allclose(
        differences, afresh - afresh.mean(axis=1, keepdims=True), atol=0.05 * np.abs(found).max()
    )


@pytest.mark.parametrize("in_place", [True, False])
def test_refit__large_vectors_are_overwritten_only_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    """A caller's array is its own, however large; a job that exported it may give it up."""
    monkeypatch.setattr(refit, "COPY_UP_TO", 0)
    data = Clouds(8).training_set({"ant": 5, "bee": 4})
    before = data.vectors.copy()
    search = prepare(data, features=FeatureMap.ROOT)
    Refit(data, search, None, TrainOptions(in_place=in_place)).winner(None)
    assert np.array_equal(data.vectors, before) is not in_place
