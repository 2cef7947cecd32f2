"""Training is a function: references as arrays in, a head with its report out.

Nothing here knows a store, a lease or a clock: `head.job` does the reading and writing around it.

Shapes: N references, M of them scored, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from head.choice.cross_validation import within_everything
from head.choice.refit import Refit
from head.choice.repeats import out_of_fold
from head.choice.selection import choose
from head.data.duplicates import join_near_duplicates
from head.fit.logistic import worthwhile_threads
from head.fit.options import TrainOptions
from head.fit.whitening import Metric
from head.steps import Step
from head.trust.calibration import calibrations
from head.trust.flats import Flats
from head.trust.novelty import Novelty, usual_scores
from head.trust.rehearsal import ROUNDS, rehearse
from head.versions.champion import judge
from head.versions.head import ClassMeans, Head
from head.versions.report import training_report
from head.work import work_of
from holotype.errors import TooFewReferences
from holotype.heads import HeadRecord

if TYPE_CHECKING:
    from head.choice.cross_validation import CrossValidation
    from head.data.training_set import TrainingSet

UNNAMED = "unnamed"
"""Version of a head that no store has named yet."""


def train(
    training: TrainingSet, champion: Head | None = None, options: TrainOptions | None = None
) -> Head:
    """Choose a head by cross-validation, fit it to everything, learn what its answers are worth.

        labels, codes = np.unique(y, return_inverse=True)
        head = train(
            TrainingSet(
                labels=tuple(labels),             # C strings, sorted
                vectors=X,                        # (N, D) float32, unit rows
                codes=codes,                      # (N,) int64, index into `labels`
                groups=groups,                    # (N,) int64, 0 .. G - 1; np.arange(N) where none
                marks=np.arange(N),               # (N,) int64, names each reference
            )
        )
        head.probabilities(Q)                     # (Q, C) float64 for (Q, D) float32 unit rows

    The head has no version yet (`UNNAMED`). `head.metric`, `head.calibration["knn"]` and
    `["auto"]` are what answers by neighbours need (see `Head`); its report is
    `head.record.report`, with the keys of `head.versions.report` that training knows.

    The same arrays and options give the same head. `training` is not changed, but where
    `TrainOptions.in_place` allows it.

    Args:
        training: at least two classes; one reference of each is enough, though it scores nothing.
        champion: the head that answers now, to be compared with; None where there is none.
        options: seed, device, and whom to tell.

    Raises:
        TooFewReferences: there are fewer than two classes.
    """
    if len(training.labels) < 2:
        raise TooFewReferences(
            f"a head tells classes apart, and there are only {len(training.labels)}: "
            "train on references of two at least"
        )
    coordinates = min(training.vectors.shape)
    with worthwhile_threads(len(training), coordinates, len(training.labels)):
        return _train(training, champion, options or TrainOptions())


def _train(training: TrainingSet, champion: Head | None, options: TrainOptions) -> Head:
    options.steps.expect(work_of(len(training), training.vectors.shape[1], len(training.labels)))
    groups = join_near_duplicates(training.vectors, training.codes, training.groups)
    training = replace(training, groups=groups)
    choice = choose(training, options)
    search, winner, lda = choice.search, choice.winner, choice.lda
    predictions = out_of_fold(training, choice, options)
    comparison = None if champion is None else judge(training, predictions, champion)

    calibration = calibrations(training, choice, options)
    usual = usual_scores(search)
    options.steps.begin(Step.REHEARSING, of=ROUNDS)
    gate = rehearse(search, groups[search.plan.rows], on_round=options.steps.did)
    options.on_pass()

    options.steps.begin(Step.FITTING)
    span = search.span
    within = within_everything(training, search.features, span)
    within = None if within is None else within.shrunk_at_least(search.shrinkage)
    metric = None if within is None else Metric.of(within, search.features, span)
    means = None if within is None else ClassMeans.of(within, span)
    report = training_report(training, choice, within=within, seed=options.seed)
    report["comparison"] = None if comparison is None else comparison.to_dict()
    report["calibration"] = {mode: dict(one.figures) for mode, one in calibration.items()}
    options.on_pass()
    flats = _flats(search) if gate and gate.flats else None
    # Last: it may use up the vectors.
    layer = Refit(training, search, within, options).winner(winner)
    return Head(
        record=HeadRecord(UNNAMED, "", status="ready", labels=training.labels, report=report),
        labels=training.labels,
        weights=layer.weights.astype(np.float32),
        bias=layer.bias.astype(np.float32),
        temperature=1.0 if winner is None else winner.temperature,
        features=search.features,
        metric=metric,
        class_means=means,
        class_flats=flats,
        lda_temperature=1.0 if lda is None else lda.temperature,
        novelty=None
        if within is None or metric is None
        else Novelty.of(within, metric, usual, span),
        gate=gate,
        calibration=calibration,
        held_out=None if predictions is None else predictions.kept(training),
    )


def _flats(search: CrossValidation) -> Flats:
    flats = Flats.of_classes(search.vectors, search.codes, np.arange(len(search.codes)))
    return replace(flats, rows=np.asarray(search.span.vectors(flats.rows), np.float32))
