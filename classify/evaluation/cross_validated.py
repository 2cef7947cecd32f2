"""Every mode on the gallery's own references, out of fold.

Whatever is learned (the metric, the head) is learned without the fold of the reference that
it classifies; neighbours are all others but its own group. Temperatures are fitted to the
same predictions that they are judged on: one number for all of them.

Shapes: N references, M scored, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from classify.answering.modes import Mode
from classify.evaluation.gallery import GalleryArrays
from classify.evaluation.predictions import Predictions
from head.choice.selection import choose
from head.data.training_set import TrainingSet
from head.fit.options import TrainOptions
from head.steps import Steps, each_step
from head.trust.calibration import Calibration, pooled_scores
from head.trust.neighbours import left_out_votes
from holotype.references import Codes, Floats
from holotype.votes import Voting, vote_scores


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidated:
    """Predictions of every mode for the same references."""

    rows: Codes
    """(M,) of the gallery."""
    predictions: Mapping[Mode, Predictions]


def cross_validate(
    gallery: GalleryArrays, voting: Voting, *, say: Callable[[str], None]
) -> CrossValidated | None:
    """Classify every reference that can be scored.

    Args:
        gallery: at least two classes.
        voting: of k-NN by the learned metric.
        say: told what is done now.

    Returns:
        None where nothing can be learned out of fold.
    """
    training = TrainingSet(
        labels=gallery.labels,
        vectors=gallery.vectors,
        codes=gallery.classes.astype(np.int64),
        groups=gallery.independent.astype(np.int64),
        marks=np.arange(len(gallery)),
    )
    choice = choose(training, TrainOptions(steps=Steps(each_step(say))))
    if choice.winner is None:
        return None
    search = choice.search
    say("neighbours of every reference, by the metric of the other folds")
    votes = left_out_votes(search, training, voting=voting)
    if votes is None:
        return None
    truth = search.scored_codes
    linear = _calibrated(choice.winner.logits, truth)
    knn = _calibrated(vote_scores(votes.sums, floor=voting.rule.floor), truth)
    auto = _calibrated(pooled_scores(linear, knn), truth)
    return CrossValidated(
        rows=search.plan.rows[search.plan.scored],
        predictions={
            mode: _predictions(gallery, truth, scores)
            for mode, scores in ((Mode.KNN, knn), (Mode.LINEAR, linear), (Mode.AUTO, auto))
        },
    )


def _calibrated(scores: np.ndarray[tuple[int, int], np.dtype[np.floating]], truth: Codes) -> Floats:
    return Calibration.fit(scores, truth).probabilities(scores)


def _predictions(gallery: GalleryArrays, truth: Codes, scores: Floats) -> Predictions:
    return Predictions(
        labels=gallery.labels,
        truth=truth,
        scores=scores,
        ranking=np.argsort(-scores, axis=1, kind="stable"),
    )
