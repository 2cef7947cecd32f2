"""What predictions are worth.

Every figure is over queries whose class is in the gallery; `Predictions.only` picks them.
A figure of nothing is None, never 0: no query says nothing about the share that is right.
Shapes: Q queries, C classes, B bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.evaluation.predictions import Predictions
from head.data.scores import by_class
from holotype.references import Floats

Z_95 = 1.959964
"""97.5 % quantile of the normal distribution: 95 % intervals."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: how many queries it has, and how they fared."""

    label: str
    queries: int
    accuracy: float
    """Share of its queries that were answered with it (recall)."""
    precision: float | None
    """Share of the answers naming it that were right; None where none named it."""
    f1: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """A true class that was answered as another, and how often."""

    truth: str
    answered: str
    count: int


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """Errors among the most confident part of the queries, for every size of that part."""

    coverage: Floats
    """(Q,) share of queries answered, ascending, up to 1."""
    risk: Floats
    """(Q,) share of errors among them."""
    threshold: Floats
    """(Q,) the score that an answer needs to be among them."""

    @property
    def area(self) -> float | None:
        """Mean risk over all coverages (AURC): 0 is perfect."""
        return float(self.risk.mean()) if len(self.risk) else None

    def coverage_at(self, risk: float) -> float | None:
        """The largest share of queries that can be answered with at most this risk.

        Queries of equal score are answered together or not at all.
        """
        if not len(self.risk):
            return None
        last_of_ties = np.append(self.threshold[:-1] != self.threshold[1:], True)
        fits = (self.risk <= risk) & last_of_ties[: len(self.risk)]
        return float(self.coverage[fits].max()) if fits.any() else 0.0


def accuracy(predictions: Predictions) -> Interval | None:
    """Share of right answers, with Wilson's interval (queries taken as independent)."""
    return wilson(int(predictions.correct.sum()), len(predictions))


def top(predictions: Predictions, n: int) -> float | None:
    """Share of queries whose class is among the first `n` answers that scored at all."""
    if not len(predictions):
        return None
    first = predictions.ranking[:, :n]
    scored = np.take_along_axis(predictions.scores, first, axis=1) > 0
    return float(((first == predictions.truth[:, None]) & scored).any(axis=1).mean())


def confusion_matrix(predictions: Predictions) -> npt.NDArray[np.int64]:
    """(C, C) counts: row the true class, column the one answered."""
    C = len(predictions.labels)
    matrix = np.zeros((C, C), dtype=np.int64)
    np.add.at(matrix, (predictions.truth, predictions.predicted), 1)
    return matrix


def per_class(predictions: Predictions) -> list[ClassFigures]:
    """Figures of each class that has queries, in the order of labels."""
    classes = by_class(predictions.predicted, predictions.truth, n_classes=len(predictions.labels))
    return [
        ClassFigures(
            label=label,
            queries=int(classes.asked[c]),
            accuracy=float(classes.recall[c]),
            precision=float(classes.precision[c]) if classes.answered[c] else None,
            f1=float(classes.f1[c]),
        )
        for c, label in enumerate(predictions.labels)
        if classes.asked[c]
    ]


def macro(values: list[float]) -> float | None:
    """Mean over classes; every class counts the same, however many queries it has."""
    return math.fsum(values) / len(values) if values else None


def confusions(predictions: Predictions) -> list[Confusion]:
    """Pairs of classes that were mistaken, the most frequent first."""
    matrix = confusion_matrix(predictions)
    np.fill_diagonal(matrix, 0)
    labels = predictions.labels
    pairs = [Confusion(labels[t], labels[a], int(matrix[t, a])) for t, a in np.argwhere(matrix > 0)]
    return sorted(pairs, key=lambda pair: (-pair.count, pair.truth, pair.answered))


def risk_curve(predictions: Predictions) -> RiskCurve:
    """Errors among the most confident queries (El-Yaniv and Wiener 2010: risk and coverage)."""
    order = np.argsort(-predictions.confidence, kind="stable")
    answered = np.arange(1, len(predictions) + 1)
    errors = np.cumsum(~predictions.correct[order])
    return RiskCurve(
        coverage=answered / max(len(predictions), 1),
        risk=errors / answered,
        threshold=predictions.confidence[order],
    )


def wilson(right: int, total: int) -> Interval | None:
    """A share with Wilson's score interval, which stays in [0, 1] and is fair at its ends."""
    if not total:
        return None
    share, z2 = right / total, Z_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return Interval(share, max(centre - spread, 0.0), min(centre + spread, 1.0))
