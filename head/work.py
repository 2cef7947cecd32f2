"""How long each step of a training takes, in relation to the others: what a percentage rests on.

Seconds of one core, fitted to galleries of 60 to 100,000 references (`docs/LAB.md`). Only their
relations count, so another machine changes little.
"""

from __future__ import annotations

import math

from head.data.folds import N_FOLDS, divisions_of
from head.data.plan import EVERYTHING_UP_TO, SCORED_ENOUGH, SEARCH_REFERENCES
from head.steps import Step

VOTES = 4000
"""`head.trust.calibration.CALIBRATED_ON`, which lies above."""


def work_of(references: int, dimensions: int, classes: int) -> dict[Step, float]:
    """For a gallery of so many references and classes."""
    searched = min(references, SEARCH_REFERENCES)
    share = _folds(searched) / N_FOLDS
    rank = min(searched, dimensions)
    spread, scores = searched * dimensions * rank, searched * rank * classes
    votes = min(searched, VOTES) * searched * dimensions
    return {
        Step.READING: 0.02 + 1e-5 * references,
        Step.SPREADING: 0.02 + 9e-10 * spread,
        Step.COMPARING: 0.03 + 1e-8 * scores * share,
        Step.JUDGING: 0.005 + 4.5e-10 * spread * divisions_of(references),
        Step.CALIBRATING: 0.02
        + 1e-4 * min(searched, VOTES)
        + 1e-10 * votes
        + 6e-10 * spread * share,
        Step.REHEARSING: 0.04 + 2e-10 * spread,
        Step.FITTING: 0.01 + 2e-10 * references * rank * (dimensions + classes),
        Step.PUBLISHING: 0.03,
    }


def _folds(searched: int) -> int:
    if searched <= EVERYTHING_UP_TO:
        return N_FOLDS
    return min(N_FOLDS, math.ceil(SCORED_ENOUGH * N_FOLDS / searched))
