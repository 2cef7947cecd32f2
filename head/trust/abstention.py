"""When to answer "unknown": below the confidence at which enough answers are right.

From out-of-fold predictions: sorted by confidence, the share of right answers among the most
confident falls as more are answered. The threshold for a target is the lowest confidence
down to which the share stays at the target. The estimate counts one more wrong answer than
was seen, as conformal risk control does (Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR
2024), so that a few lucky answers settle nothing.

Shapes: M scored references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from holotype.references import Floats

POINTS = 200
"""Points of the stored curve, evenly spaced over coverage."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What answering down to a confidence means."""

    confidence: float
    """Answers with at least this probability are given."""
    precision: float
    """Share of right ones among them, with one more wrong one than was seen."""
    coverage: float
    """Share of queries that are answered."""


@dataclass(frozen=True, slots=True)
class Abstention:
    """Precision against coverage, by descending confidence."""

    curve: tuple[CurvePoint, ...]

    @classmethod
    def fit(cls, confidence: Floats, correct: npt.NDArray[np.bool_]) -> Abstention:
        """From the probability of each out-of-fold answer (M,) and whether it was right (M,)."""
        order = np.argsort(-confidence, kind="stable")
        confidence, right = confidence[order], np.cumsum(correct[order])
        n = len(order)
        # Answers of equal confidence are given or withheld together.
        last_of_equals = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
        wanted = np.linspace(0, len(last_of_equals) - 1, min(POINTS, len(last_of_equals)))
        return cls(
            tuple(
                CurvePoint(
                    confidence=float(confidence[i]),
                    precision=float(right[i] / (i + 2)),
                    coverage=float((i + 1) / n),
                )
                for i in last_of_equals[wanted.round().astype(int)]
            )
        )

    def below(self, precision: float) -> float:
        """Answers less probable than this are to be "unknown"; infinite: all of them."""
        enough = [point for point in self.curve if point.precision >= precision]
        return enough[-1].confidence if enough else float("inf")

    def coverage_at(self, precision: float) -> float | None:
        """Share of queries like the references that would be answered; None of no reference."""
        if not self.curve:
            return None
        enough = [point for point in self.curve if point.precision >= precision]
        return enough[-1].coverage if enough else 0.0

    def to_json(self) -> dict[str, list[float]]:
        """JSON form, by column."""
        return {
            "confidence": [point.confidence for point in self.curve],
            "precision": [point.precision for point in self.curve],
            "coverage": [point.coverage for point in self.curve],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Abstention:
        """Inverse of `to_json`."""
        columns = zip(data["confidence"], data["precision"], data["coverage"], strict=True)
        return cls(tuple(CurvePoint(float(c), float(p), float(s)) for c, p, s in columns))
