"""How a candidate for the head is judged, and which one wins.

Candidates are compared out of fold, on the same group-aware folds. The best macro accuracy
wins. Whatever is within a quarter of a standard error of the best counts as a tie, and ties
go to the simpler candidate.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from head.calibration import fit_temperature, log_loss
from head.scores import Scores, score

Logits = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]

TIE = 0.25
"""Standard errors of the best macro accuracy within which candidates tie."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A candidate and how it did out of fold."""

    name: str
    kind: str
    """One of the kinds of `head.candidates`."""
    scores: Scores
    log_loss: float
    """Nats, after the temperature."""
    temperature: float
    logits: Logits
    """(M, C) out-of-fold, in the order of `SearchPlan.scored`, before the temperature."""
    strength: float | None = None
    """C of the logistic regression in it."""

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "name": self.name,
            "kind": self.kind,
            "C": self.strength,
            **self.scores.to_dict(),
            "log_loss": self.log_loss,
        }


def assess(
    name: str, kind: str, logits: Logits, codes: Codes, *, strength: float | None = None
) -> Candidate:
    """Score a candidate's out-of-fold logits (M, C) against the truth (M,)."""
    temperature = fit_temperature(logits, codes)
    return Candidate(
        name=name,
        kind=kind,
        scores=score(logits.argmax(axis=1), codes, n_classes=logits.shape[1]),
        log_loss=log_loss(logits, codes, temperature),
        temperature=temperature,
        logits=logits,
        strength=strength,
    )


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """The simplest of those that tie with the best; candidates come simplest first."""
    best = max(candidates, key=lambda candidate: candidate.scores.macro_accuracy).scores
    enough = best.macro_accuracy - TIE * best.standard_error
    return next(c for c in candidates if c.scores.macro_accuracy >= enough)
