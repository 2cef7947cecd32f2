"""What one mode thinks of some queries: a score for every label that can be answered.

Shapes: Q queries, C labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import LabelScore
from classify.answering.modes import Mode
from holotype.references import Codes, Floats

if TYPE_CHECKING:
    from head.trust.calibration import Calibration


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Row i belongs to query i, column c to label c."""

    mode: Mode
    labels: tuple[str, ...]
    """C labels, sorted."""
    scores: Floats
    """(Q, C) in [0, 1]; a row sums to 1, or to 0 where nothing can be said."""
    ranking: Codes
    """(Q, C) labels, best first."""
    calibration: Calibration | None = None
    """What made the scores probabilities; None where they are none."""

    @classmethod
    def by_score(
        cls,
        mode: Mode,
        labels: tuple[str, ...],
        scores: Floats,
        *,
        calibration: Calibration | None = None,
    ) -> ClassScores:
        """Ranked by score, then by label."""
        ranking = np.argsort(-scores, axis=1, kind="stable")
        return cls(mode, labels, scores, ranking, calibration)

    def balanced(self, sizes: Floats, balance: float) -> ClassScores:
        """The opinion where queries do not come as often from each class as references do.

        Each score is divided by (references of its label) ** balance (prior shift: Saerens,
        Latinne and Decaestecker, Neural Computation 14, 2002; with a balance of 1 every class
        is equally likely beforehand). What was calibrated on the gallery's own frequencies no
        longer holds.

        Args:
            sizes: (C,) references of each label.
            balance: in [0, 1].
        """
        if not balance:
            return self
        shifted = self.scores / np.maximum(sizes, 1) ** balance
        total = shifted.sum(axis=1, keepdims=True)
        return ClassScores.by_score(
            self.mode, self.labels, shifted / np.where(total > 0, total, 1.0)
        )

    @property
    def best(self) -> Floats:
        """(Q,) the highest score."""
        return np.take_along_axis(self.scores, self.ranking[:, :1], axis=1)[:, 0]

    def top(self, query: int, n: int) -> tuple[LabelScore, ...]:
        """The first labels of a query, those with no score at all left out."""
        row = self.scores[query]
        return tuple(
            LabelScore(self.labels[c], float(row[c])) for c in self.ranking[query, :n] if row[c] > 0
        )
