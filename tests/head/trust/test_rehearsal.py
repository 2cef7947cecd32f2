"""The rehearsal of newcomers on the classes that are there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from head.choice.cross_validation import CrossValidation, prepare, within_everything
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.whitening import Metric
from head.trust import rehearsal
from head.trust.gate import Gated, Landmarks
from head.trust.rehearsal import rehearse
from tests.head.conftest import Clouds

CLOUDS = Clouds(32, spread=0.2)
SIZES = dict.fromkeys(["ant", "bee", "fly", "gnat", "wasp"], 12)


def searched(data: TrainingSet) -> CrossValidation:
    """What a retrain rehearses on."""
    return prepare(data).shrunk_at_least(0.5)


def test_rehearse__is_the_same_again() -> None:
    """The same gallery gives the same gate."""
    data = CLOUDS.training_set(SIZES)
    one, other = (rehearse(searched(data), data.groups) for _ in range(2))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.coefficients, other.coefficients)
    assert one.asked == len(data)


def test_rehearse__a_class_of_one_is_found_and_others_are_left_alone() -> None:
    """One reference of a class that was never seen is enough where classes lie apart."""
    data = CLOUDS.training_set(SIZES)
    gate = rehearse(searched(data), data.groups)
    within = within_everything(data, FeatureMap.PLAIN)
    assert gate is not None
    assert within is not None
    metric = Metric.of(within.shrunk_at_least(0.5), FeatureMap.PLAIN)
    gated = Gated(
        gate,
        metric,
        known=Landmarks.of(metric, within.means),
        newcomers=Landmarks.of(metric, CLOUDS.of("moth", 1)),
        counts=np.array([1.0]),
    )
    assert (gated.share(CLOUDS.of("moth", 40, first=10)) > 0.5).mean() > 0.8
    for label in SIZES:
        assert (gated.share(CLOUDS.of(label, 40, first=100)) > 0.5).mean() < 0.1


def test_rehearse__needs_a_class_of_two_that_can_be_left_out() -> None:
    """Where nothing is scored, or nothing is left to tell from, there is no gate."""
    lone = CLOUDS.training_set(dict.fromkeys(SIZES, 1))
    assert rehearse(prepare(lone), lone.groups) is None
    one = CLOUDS.training_set({"ant": 6, "bee": 1})
    assert rehearse(searched(one), one.groups) is None


def test_rehearse__near_duplicates_are_not_asked_of_each_other() -> None:
    """A class whose references are all of one group is not given back: nothing could be asked."""
    data = CLOUDS.training_set(SIZES)
    grouped = np.where(data.codes == 0, 1000, data.groups)
    search = searched(replace(data, groups=grouped))
    gate = rehearse(search, grouped)
    assert gate is not None
    assert gate.asked == len(data) - SIZES["ant"]


def test_placed__is_the_metric_s_place() -> None:
    """Without the inverse, cosines are those of the metric that is stored."""
    data = CLOUDS.training_set(SIZES)
    within = within_everything(data, FeatureMap.PLAIN)
    assert within is not None
    placed = rehearsal._placed(within, data.vectors)
    expected = Metric.of(within, FeatureMap.PLAIN).place(data.vectors)
    np.testing.assert_allclose(placed @ placed.T, expected @ expected.T, rtol=1e-3, atol=1e-3)


def test_logistic__agrees_with_scikit_learn() -> None:
    """With a prior of zero it is a weighted logistic regression."""
    rng = np.random.default_rng(0)
    rows, weights, truth = rng.normal(size=(60, 7)), rng.random(60), rng.random(60) < 0.4
    theirs = LogisticRegression(C=1 / rehearsal.PRIOR_WEIGHT, fit_intercept=False, tol=1e-8)
    theirs.fit(rows, truth, sample_weight=weights)
    mine = rehearsal._logistic(rows, truth, weights, np.zeros(7))
    np.testing.assert_allclose(mine, theirs.coef_[0], atol=1e-3)
    shifted = rehearsal._logistic(rows, truth, 0 * weights, np.arange(7.0))
    np.testing.assert_allclose(shifted, np.arange(7.0), atol=1e-6)
