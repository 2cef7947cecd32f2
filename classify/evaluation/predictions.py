"""What was predicted for queries whose class is known. Arrays, so that metrics are short.

Shapes: Q queries, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holotype.references import Codes, Floats

Flags = npt.NDArray[np.bool_]

ABSENT = -1
"""Code of a true class that nothing in the gallery carries."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """One mode's predictions. Row i of every array is query i."""

    labels: tuple[str, ...]
    """C classes that can be answered, sorted."""
    truth: Codes
    """(Q,) the true class; `ABSENT` where it is not one of `labels`."""
    scores: Floats
    """(Q, C) in [0, 1]; a row sums to 1, or to 0 where nothing was answered."""
    ranking: Codes
    """(Q, C) classes, best first, as they were answered."""

    def __post_init__(self) -> None:
        Q, C = self.scores.shape
        assert self.truth.shape == (Q,)
        assert self.ranking.shape == (Q, C)
        assert len(self.labels) == C

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def predicted(self) -> Codes:
        """(Q,) the class answered."""
        return self.ranking[:, 0]

    @property
    def confidence(self) -> Floats:
        """(Q,) score of the class answered."""
        return np.take_along_axis(self.scores, self.ranking[:, :1], axis=1)[:, 0]

    @property
    def correct(self) -> Flags:
        """(Q,) whether the answer is the true class."""
        return np.equal(self.predicted, self.truth)

    def only(self, rows: Flags) -> Predictions:
        """The same for some of the queries: (Q,) flags."""
        return Predictions(self.labels, self.truth[rows], self.scores[rows], self.ranking[rows])


def codes_of(truth: Sequence[str], labels: Sequence[str]) -> Codes:
    """(Q,) number of each true label among the classes, `ABSENT` where it is none of them."""
    code = {label: i for i, label in enumerate(labels)}
    return np.array([code.get(label, ABSENT) for label in truth], dtype=np.intp)
