"""Linear discriminant analysis against scikit-learn's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from head.fit.lda import discriminants
from head.fit.statistics import gather, within_class
from tests.head.conftest import Clouds

SIZES = {"ant": 40, "bee": 25, "wasp": 9, "fly": 3}


@pytest.mark.parametrize("solver", ["lsqr", "eigen"])
@pytest.mark.parametrize("shrinkage", [0.1, 0.6])
def test_lda__gives_the_probabilities_of_scikit_learn(solver: str, shrinkage: float) -> None:
    """At the same shrinkage, posteriors agree to five digits."""
    clouds = Clouds(24)
    data = clouds.training_set(SIZES)
    queries = np.concatenate([clouds.of(label, 20, first=100) for label in sorted(SIZES)])
    theirs = LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage)
    theirs.fit(data.vectors.astype(float), data.codes)
    moments = gather(data.vectors, data.codes, np.zeros(len(data)), n_classes=4)[0]
    within = within_class(moments, data.vectors, data.codes)
    assert within is not None
    logits = discriminants(replace(within, shrinkage=shrinkage)).logits(queries.astype(float))
    mine = np.exp(logits - logits.max(axis=1, keepdims=True))
    mine /= mine.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mine, theirs.predict_proba(queries.astype(float)), atol=1e-5)
