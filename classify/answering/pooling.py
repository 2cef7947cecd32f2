"""The auto mode: the calibrated opinions of k-NN and head, pooled.

They err differently: k-NN follows single references, the head the shape of whole classes.
About newcomers both say what the head's gate says (`head.trust.gate`); where it has none, they are
k-NN's alone.

Shapes: Q queries, C labels.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from classify.answering.class_scores import ClassScores
from classify.answering.modes import Mode
from head.trust.calibration import Calibration, pooled_scores
from holotype.references import Floats


def pooled(
    linear: ClassScores,
    knn: ClassScores,
    *,
    newer: Collection[str],
    calibration: Calibration | None,
) -> ClassScores:
    """One opinion of two, which are about the same labels.

    k-NN's probability of newer classes stands; the rest is shared out among the classes that
    both know as their pooled opinion says.

    Args:
        linear: the head's.
        knn: the neighbours'.
        newer: labels that the head was not trained on.
        calibration: of pooled opinions; None where one of the two is not calibrated.
    """
    assert linear.labels == knn.labels
    known = np.array([label not in newer for label in knn.labels])
    scores = knn.scores.copy()
    both = pooled_scores(shared(linear.scores[:, known]), shared(knn.scores[:, known]))
    together = calibration.probabilities(both) if calibration else shared(np.exp(both))
    scores[:, known] = together * (1 - scores[:, ~known].sum(axis=1, keepdims=True))
    return ClassScores.by_score(Mode.AUTO, knn.labels, scores, calibration=calibration)


def gated(knn: ClassScores, linear: ClassScores, *, newcomers: Collection[str]) -> ClassScores:
    """The neighbours' class_scores, in which newcomers have the head's probability.

    Votes are for classes as large as their neighbours: one of a few references is outvoted
    however near they lie. What the head leaves is shared out among the others as they voted.

    Args:
        knn: the neighbours'.
        linear: the head's, about the same labels.
        newcomers: labels that the head's gate tells from the others.
    """
    assert linear.labels == knn.labels
    new = np.array([label in newcomers for label in knn.labels])
    scores = linear.scores.copy()
    rest = 1 - scores[:, new].sum(axis=1, keepdims=True)
    scores[:, ~new] = shared(knn.scores[:, ~new]) * rest
    return ClassScores.by_score(knn.mode, knn.labels, scores, calibration=knn.calibration)


def shared(scores: Floats) -> Floats:
    """Rows that sum to 1; the same for all where nothing is known."""
    total = scores.sum(axis=1, keepdims=True)
    shared: Floats = np.where(
        total > 0, scores / np.where(total > 0, total, 1.0), 1 / max(scores.shape[1], 1)
    )
    return shared
