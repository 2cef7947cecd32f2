"""Puts a head version together from what training found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from head.data.held_out import HeldOut
from head.fit.metric import Metric
from head.trust.calibrating import calibrations
from head.trust.novelty import Novelty, usual_scores
from head.trust.rehearsal import rehearse
from head.versions.head import ClassMeans, Head
from holotype.heads import HeadRecord

if TYPE_CHECKING:
    from head.data.training_set import TrainingSet
    from head.fit.runtime import Runtime
    from head.train import Compared, Trained
    from head.trust.calibration import Calibration
    from head.trust.gate import Gate


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """What out-of-fold predictions say about answers."""

    calibration: Mapping[str, Calibration]
    usual_novelty: list[float]
    held_out: HeldOut | None
    gate: Gate | None


def answering(training: TrainingSet, compared: Compared, *, runtime: Runtime) -> Answering:
    """Calibrations, usual novelty, held-out predictions and the gate of a comparison."""
    runtime.say("calibration and novelty, from out-of-fold predictions")
    held_out = None
    if compared.winner is not None:
        rows = compared.search.plan.rows[compared.search.plan.scored]
        predicted = compared.winner.logits.argmax(axis=1)
        held_out = HeldOut.of(training.marks[rows], predicted)
    calibration = calibrations(training, compared, on_pass=runtime.on_pass)
    runtime.say("rehearsal of new classes")
    gate = rehearse(compared.search, training.groups[compared.search.plan.rows])
    runtime.on_pass()
    return Answering(calibration, usual_scores(compared.search), held_out, gate)


def assemble(
    training: TrainingSet,
    trained: Trained,
    answers: Answering,
    *,
    version: str,
    created_at: str,
    status: str,
    report: Mapping[str, Any],
) -> Head:
    """The head, with the report completed by figures and parameters."""
    within, features, lda = trained.within, trained.search.features, trained.compared.lda
    metric = None if within is None else Metric.of(within, features)
    novelty = class_means = None
    if within is not None and metric is not None:
        novelty = Novelty.of(within, metric, answers.usual_novelty)
        class_means = ClassMeans(
            means=within.means.astype(np.float32), counts=within.counts.astype(np.float32)
        )
    lda_temperature = 1.0 if lda is None else lda.temperature
    parameters = {
        "features": str(features),
        "temperature": trained.temperature,
        "lda_temperature": lda_temperature,
        "calibration": {mode: c.to_json() for mode, c in answers.calibration.items()},
        "novelty": None if novelty is None else novelty.to_json(),
        "gate": None if answers.gate is None else answers.gate.to_json(),
    }
    figures = {mode: dict(c.figures) for mode, c in answers.calibration.items()}
    return Head(
        record=HeadRecord(
            version=version,
            created_at=created_at,
            status=status,
            labels=training.labels,
            report={**report, "calibration": figures, "parameters": parameters},
        ),
        labels=training.labels,
        weights=trained.layer.weights.astype(np.float32),
        bias=trained.layer.bias.astype(np.float32),
        temperature=trained.temperature,
        features=features,
        metric=metric,
        class_means=class_means,
        lda_temperature=lda_temperature,
        novelty=novelty,
        gate=answers.gate,
        calibration=answers.calibration,
        held_out=answers.held_out,
    )
