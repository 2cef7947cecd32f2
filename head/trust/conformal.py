"""Label sets that hold the true label as often as asked.

Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman, JASA
114, 2019): a label is in the set where its probability is at least q. q is taken from the
probabilities that out-of-fold predictions gave to the true label, so that of exchangeable
queries at least the asked share has its label in the set. Predictions of five folds stand
in for those of one calibration set (cross-conformal; Vovk, 2015): the final head has seen
more references than any fold's, so that coverage errs to the high side.

Shapes: M scored references, Q queries, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from holotype.errors import UsageError
from holotype.references import Floats

LEVELS: tuple[float, ...] = (*(round(0.005 * i, 3) for i in range(100, 200)), 0.998, 0.999)
"""Coverages for which q is stored; one in between is rounded up to the next.

Stored heads have a number for each of these: they never change."""


@dataclass(frozen=True, slots=True)
class LabelSets:
    """The least probability that a label in the set has, for each of `LEVELS`."""

    least: tuple[float, ...]

    @classmethod
    def fit(cls, true_probabilities: Floats) -> LabelSets:
        """From what out-of-fold predictions gave the true labels (M,)."""
        ascending = np.sort(true_probabilities)
        n = len(ascending)
        return cls(tuple(_least(ascending, n, level) for level in LEVELS))

    def of(self, probabilities: Floats, coverage: float) -> npt.NDArray[np.bool_]:
        """(Q, C) which labels are in the set of each query; the best one always is.

        Args:
            probabilities: (Q, C) calibrated.
            coverage: share of queries whose true label is to be in the set, 0.5 to 0.999.

        Raises:
            UsageError: the coverage is out of range.
        """
        chosen = probabilities >= self.least_for(coverage)
        chosen[np.arange(len(chosen)), probabilities.argmax(axis=1)] = True
        return chosen

    def least_for(self, coverage: float) -> float:
        """The least probability in a set of this coverage."""
        if not LEVELS[0] <= coverage <= LEVELS[-1]:
            raise UsageError(
                f"label sets can be asked to cover {LEVELS[0]} to {LEVELS[-1]} of the queries, "
                f"not {coverage}"
            )
        return self.least[int(np.searchsorted(LEVELS, coverage - 1e-9))]

    def to_json(self) -> list[float]:
        """JSON form."""
        return list(self.least)

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> LabelSets:
        """Inverse of `to_json`."""
        return cls(tuple(float(value) for value in data))


def _least(ascending: Floats, n: int, level: float) -> float:
    """The probability that all but a share of (1 - level) of the true labels reach."""
    outside = int(np.floor((n + 1) * (1 - level) + 1e-9))
    # With too few references to tell, every label is in the set.
    return 0.0 if outside < 1 else float(ascending[outside - 1])
