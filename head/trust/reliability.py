"""Whether probabilities are worth what they say: out-of-fold answers by their confidence.

Shapes: M answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from holotype.references import Floats

N_BINS = 15
"""Equally wide bins of confidence, as in Guo, Pleiss, Sun and Weinberger, ICML 2017."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of about the same confidence."""

    low: float
    """Confidences of the bin lie in [low, high)."""
    high: float
    answers: int
    """At least one."""
    confidence: float
    """Mean probability of the answers."""
    accuracy: float
    """Share of right ones."""

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ReliabilityBin:
        """Inverse of `to_json`."""
        return cls(
            low=float(data["low"]),
            high=float(data["high"]),
            answers=int(data["answers"]),
            confidence=float(data["confidence"]),
            accuracy=float(data["accuracy"]),
        )


def reliability(confidence: Floats, correct: npt.NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """The bins that are not empty, by ascending confidence.

    Args:
        confidence: (M,) probability of the answer.
        correct: (M,) whether it was right.
    """
    bin_of = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    answers = np.bincount(bin_of, minlength=N_BINS)
    sure = np.bincount(bin_of, confidence, minlength=N_BINS)
    right = np.bincount(bin_of, correct, minlength=N_BINS)
    return tuple(
        ReliabilityBin(
            low=b / N_BINS,
            high=(b + 1) / N_BINS,
            answers=int(answers[b]),
            confidence=float(sure[b] / answers[b]),
            accuracy=float(right[b] / answers[b]),
        )
        for b in np.flatnonzero(answers).tolist()
    )


def calibration_error(bins: Sequence[ReliabilityBin]) -> float | None:
    """Expected calibration error: mean |confidence - accuracy| over answers, in [0, 1].

    None where there was no answer.
    """
    total = sum(b.answers for b in bins)
    gaps = (b.answers * abs(b.confidence - b.accuracy) for b in bins)
    return math.fsum(gaps) / total if total else None
