"""Every figure of an evaluation, against scikit-learn or a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from classify.evaluation import metrics
from classify.evaluation.predictions import Predictions, codes_of
from head.trust.abstention import Abstention
from head.trust.reliability import N_BINS, calibration_error, reliability

LABELS = ("ant", "bee", "cat", "dog")


def _predictions(truth: list[int], scores: list[list[float]]) -> Predictions:
    array = np.array(scores, dtype=np.float64).reshape(len(scores), len(LABELS))
    ranking = np.argsort(-array, axis=1, kind="stable")
    return Predictions(LABELS, np.array(truth, dtype=np.intp), array, ranking)


@pytest.fixture
def random() -> Predictions:
    """Five hundred queries, right about half of the time; `dog` has none, but is answered."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 500)
    scores = rng.dirichlet(np.ones(4), 500)
    scores[np.arange(500), truth] += rng.random(500)
    scores /= scores.sum(axis=1, keepdims=True)
    return _predictions(truth.tolist(), scores.tolist())


def test_figures__agree_with_scikit_learn(random: Predictions) -> None:
    """Accuracy, macro accuracy, macro F1, top-3, the matrix and each class's figures."""
    from sklearn import metrics as sk

    answers, truth = random.predicted, random.truth
    figures = metrics.per_class(random)
    accuracy = metrics.accuracy(random)
    assert accuracy is not None
    assert accuracy.value == pytest.approx(sk.accuracy_score(truth, answers))
    assert metrics.macro([f.accuracy for f in figures]) == pytest.approx(
        sk.recall_score(truth, answers, labels=[0, 1, 2], average="macro")
    )
    assert metrics.macro([f.f1 for f in figures]) == pytest.approx(
        sk.f1_score(truth, answers, labels=[0, 1, 2], average="macro")
    )
    assert metrics.top(random, 3) == pytest.approx(
        sk.top_k_accuracy_score(truth, random.scores, k=3, labels=[0, 1, 2, 3])
    )
    matrix = metrics.confusion_matrix(random)
    assert (matrix == sk.confusion_matrix(truth, answers, labels=[0, 1, 2, 3])).all()
    precision = sk.precision_score(truth, answers, labels=[0, 1, 2], average=None)
    assert [f.precision for f in figures] == pytest.approx(precision.tolist())
    assert [f.label for f in figures] == ["ant", "bee", "cat"]


def test_accuracy__interval_is_wilson_s() -> None:
    """81 of 100: the textbook interval is 0.722 to 0.875."""
    interval = metrics.wilson(81, 100)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.7222, 0.8749), abs=1e-4)
    perfect = metrics.wilson(10, 10)
    assert perfect is not None
    assert perfect.high == pytest.approx(1)


def test_confusions__most_frequent_first() -> None:
    """Two ants taken for bees come before one cat taken for a dog; right answers are no pair."""
    predictions = _predictions(
        [0, 0, 2, 3],
        [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]],
    )
    assert metrics.confusions(predictions) == [
        metrics.Confusion("ant", "bee", 2),
        metrics.Confusion("cat", "dog", 1),
    ]


def test_calibration__by_hand() -> None:
    """Two answers at 0.9, one of them wrong; one at 0.62, right."""
    bins = reliability(np.array([0.9, 0.9, 0.62]), np.array([True, False, True]))
    assert [(round(b.low * N_BINS), b.answers) for b in bins] == [(9, 1), (13, 2)]
    assert calibration_error(bins) == pytest.approx((0.4 * 2 + 0.38) / 3)


def test_calibration__certain_and_right_is_perfect() -> None:
    """Score 1 falls into the last bin, and a perfect classifier has no error."""
    (last,) = bins = reliability(np.ones(2), np.ones(2, dtype=bool))
    assert (last.answers, last.high) == (2, 1.0)
    assert calibration_error(bins) == 0


def test_risk__falls_with_coverage_where_scores_are_honest() -> None:
    """The two most confident are right, the others wrong: half of the queries cost no error."""
    predictions = _predictions(
        [0, 0, 1, 1],
        [[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0], [0.7, 0.3, 0, 0], [0.6, 0.4, 0, 0]],
    )
    curve = metrics.risk_curve(predictions)
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 0, 1 / 3, 0.5])
    assert curve.coverage_at(0.0) == 0.5
    assert curve.coverage_at(0.4) == 0.75
    assert curve.area == pytest.approx((0 + 0 + 1 / 3 + 0.5) / 4)


def test_risk__equal_scores_stand_or_fall_together() -> None:
    """A threshold cannot take the right one of two answers with the same score."""
    predictions = _predictions([0, 1], [[0.9, 0.1, 0, 0], [0.9, 0.1, 0, 0]])
    assert metrics.risk_curve(predictions).coverage_at(0.1) == 0.0


def test_top__answers_that_scored_nothing_do_not_count() -> None:
    """k-NN gives most classes no vote at all: standing third by alphabet is no answer."""
    predictions = _predictions([1], [[1, 0, 0, 0]])
    assert metrics.top(predictions, 3) == 0.0


def test_codes_of__absent_classes_are_told_apart() -> None:
    """A true label that the gallery does not hold is not mistaken for one that it does."""
    assert codes_of(["bee", "elk"], LABELS).tolist() == [1, -1]


def test_figures__of_nothing_are_none() -> None:
    """Without a query no share is 0: there is none."""
    nothing = _predictions([], [])
    curve = metrics.risk_curve(nothing)
    figures = [
        metrics.accuracy(nothing),
        metrics.wilson(0, 0),
        metrics.top(nothing, 3),
        metrics.macro([]),
        calibration_error(()),
        curve.area,
        curve.coverage_at(0.05),
        Abstention(()).coverage_at(0.95),
    ]
    assert figures == [None] * len(figures)
    assert metrics.per_class(nothing) == []
    assert reliability(nothing.confidence, nothing.correct) == ()


def test_figures__a_class_that_was_never_named_has_no_precision() -> None:
    """Recall and F1 of its queries are 0; of no answer nothing is right or wrong."""
    (ant, bee) = metrics.per_class(_predictions([0, 1], [[0, 1, 0, 0], [0, 1, 0, 0]]))
    assert (ant.accuracy, ant.precision, ant.f1) == (0, None, 0)
    assert (bee.accuracy, bee.precision) == (1, 0.5)


def test_coverage__where_no_part_is_right_enough_is_a_true_zero() -> None:
    """Queries that cannot be answered at a risk were measured."""
    wrong = _predictions([0, 0], [[0, 1, 0, 0], [0, 1, 0, 0]])
    assert metrics.risk_curve(wrong).coverage_at(0.05) == 0
