"""Fits every mode's calibration, and what is usual for novelty, on out-of-fold predictions.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from head.trust.calibration import TINY, Calibration, pooled_scores
from head.trust.neighbours import LeftOutVotes, Others, left_out_votes
from holotype.references import Floats
from holotype.votes import BY_METRIC, vote_scores

if TYPE_CHECKING:
    from head.choice.search import Search
    from head.choice.selection import Choice
    from head.data.training_set import TrainingSet

LINEAR, KNN, AUTO = "linear", "knn", "auto"
"""Modes, as `Head.calibration` names them."""

CALIBRATED_ON = 4000
"""Votes that the calibration of `knn` and `auto` is fitted on: the standard error of an
accuracy is then 0.8 points at most."""


def calibrations(
    training: TrainingSet, choice: Choice, *, on_pass: Callable[[], None]
) -> dict[str, Calibration]:
    """By mode; empty where nothing could be scored, `linear` alone where there is no metric."""
    winner, search = choice.winner, choice.search
    if winner is None:
        return {}
    held_out = winner.logits
    linear = Calibration.fit(held_out, search.scored_codes)
    rows = search.plan.rows
    others = Others(vectors=training.vectors[rows], groups=training.groups[rows])
    votes = left_out_votes(
        search, others, at_most=CALIBRATED_ON, voting=BY_METRIC, on_block=on_pass
    )
    if votes is None:
        return {LINEAR: linear}
    codes = search.codes[votes.positions]
    by_votes = vote_scores(made_up_for(votes, search, others), floor=BY_METRIC.rule.floor)
    knn = Calibration.fit(by_votes, codes, voting=BY_METRIC)
    place = np.full(len(search.codes), -1)
    place[search.plan.scored] = np.arange(len(search.plan.scored))
    logits = held_out[place[votes.positions]]
    both = pooled_scores(linear.probabilities(logits), knn.probabilities(by_votes))
    return {LINEAR: linear, KNN: knn, AUTO: Calibration.fit(both, codes, voting=BY_METRIC)}


def made_up_for(votes: LeftOutVotes, search: Search, others: Others) -> Floats:
    """(M, C) sums as they would be if references that were left out had voted, too.

    They are missing from their own class alone, of which a query of that class will find them
    all: of a class of two, half of the vote.
    """
    codes, groups = search.codes[votes.positions], others.groups
    sizes = np.bincount(search.codes)[codes]
    left_out = np.bincount(groups)[groups[votes.positions]]
    sums = np.maximum(votes.sums, 0.0)
    total = sums.sum(axis=1, keepdims=True)
    sums[np.arange(len(codes)), codes] *= sizes / np.maximum(sizes - left_out, 1)
    made_up: Floats = sums * total / np.maximum(sums.sum(axis=1, keepdims=True), TINY)
    return made_up
