"""The winner on all references, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from head.candidates import OnPath, logistic_path
from head.refit import Refit
from head.runtime import Runtime
from head.search import prepare
from tests.head.conftest import Clouds


def test_refit__penalty_per_reference_is_the_cross_validated_one() -> None:
    """Folds of 96 references judged C, so 120 references are fitted at four fifths of it.

    At C itself the logits would be larger than those that the temperature was fitted to.
    """
    data = Clouds(24).training_set({"ant": 40, "bee": 40, "wasp": 40})
    search = prepare(data)
    judged: OnPath = logistic_path(search, Runtime())[0]
    assert judged.candidate.strength == 1.0

    layer = Refit(data, search.features, None, Runtime()).logistic(judged)

    theirs = LogisticRegression(C=0.8, tol=1e-8, max_iter=5000).fit(data.vectors, data.codes)
    weights = layer.weights - layer.weights.mean(axis=0)
    assert np.linalg.norm(weights) == pytest.approx(np.linalg.norm(theirs.coef_), rel=0.02)
    at_c = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(data.vectors, data.codes)
    assert np.linalg.norm(at_c.coef_) > 1.05 * np.linalg.norm(weights)
