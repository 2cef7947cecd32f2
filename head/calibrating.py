"""Fits every mode's calibration, and what is usual for novelty, on out-of-fold predictions.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from head.calibration import Calibration, pooled_scores
from head.neighbours import Others, left_out_votes
from holotype.votes import vote_scores

if TYPE_CHECKING:
    from head.training import Compared
    from head.training_set import TrainingSet

LINEAR, KNN, AUTO = "linear", "knn", "auto"
"""Modes, as `Head.calibration` names them."""

CALIBRATED_ON = 4000
"""Votes that the calibration of `knn` and `auto` is fitted on: the standard error of an
accuracy is then 0.8 points at most."""


def calibrations(
    training: TrainingSet, compared: Compared, *, on_pass: Callable[[], None]
) -> dict[str, Calibration]:
    """By mode; empty where nothing could be scored, `linear` alone where there is no metric."""
    winner, search = compared.winner, compared.search
    if winner is None:
        return {}
    held_out = winner.logits
    linear = Calibration.fit(held_out, search.scored_codes)
    rows = search.plan.rows
    others = Others(vectors=training.vectors[rows], groups=training.groups[rows])
    votes = left_out_votes(search, others, at_most=CALIBRATED_ON, on_block=on_pass)
    if votes is None:
        return {LINEAR: linear}
    codes = search.codes[votes.positions]
    by_votes = vote_scores(votes.sums)
    knn = Calibration.fit(by_votes, codes)
    place = np.full(len(search.codes), -1)
    place[search.plan.scored] = np.arange(len(search.plan.scored))
    logits = held_out[place[votes.positions]]
    both = pooled_scores(linear.probabilities(logits), knn.probabilities(by_votes))
    return {LINEAR: linear, KNN: knn, AUTO: Calibration.fit(both, codes)}
