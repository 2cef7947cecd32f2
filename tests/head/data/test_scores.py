"""Figures by class, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from head.data.scores import by_class, paired_difference, score
from holotype.references import Codes


@pytest.fixture
def answers() -> tuple[Codes, Codes]:
    """Predictions and truth, right about half of the time.

    Class 3 is predicted and never the truth, 4 is the truth and never predicted, 5 is neither.
    """
    rng = np.random.default_rng(3)
    truth = rng.choice([0, 1, 2, 4], size=300, p=[0.5, 0.3, 0.15, 0.05])
    predicted = np.where(rng.random(300) < 0.5, truth, rng.integers(0, 4, 300))
    predicted[predicted == 4] = 0
    return predicted, truth


def test_by_class__agrees_with_scikit_learn(answers: tuple[Codes, Codes]) -> None:
    """Recall, precision and F1 of each class; of nothing there is no share."""
    predicted, truth = answers
    found = by_class(predicted, truth, n_classes=6)
    precision, recall, f1, asked = metrics.precision_recall_fscore_support(
        truth, predicted, labels=range(6), zero_division=np.nan
    )
    assert found.asked.tolist() == asked.tolist()
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.f1, f1)
    assert np.isnan(found.recall).tolist() == [False, False, False, True, False, True]
    assert np.isnan(found.precision).tolist() == [False, False, False, False, True, True]


def test_score__agrees_with_scikit_learn(answers: tuple[Codes, Codes]) -> None:
    """Macro figures are means over the classes that were asked for."""
    predicted, truth = answers
    found = score(predicted, truth, n_classes=6)
    asked = [0, 1, 2, 4]
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found.macro_accuracy == pytest.approx(
        metrics.recall_score(truth, predicted, labels=asked, average="macro")
    )
    assert found.macro_f1 == pytest.approx(
        metrics.f1_score(truth, predicted, labels=asked, average="macro")
    )


def test_paired_difference__is_that_of_the_macro_accuracies(answers: tuple[Codes, Codes]) -> None:
    """Of two predictors on the same references."""
    predicted, truth = answers
    other = np.roll(truth, 1)
    found = paired_difference(predicted == truth, other == truth, truth)
    assert found.mean == pytest.approx(
        score(predicted, truth, n_classes=6).macro_accuracy
        - score(other, truth, n_classes=6).macro_accuracy
    )
