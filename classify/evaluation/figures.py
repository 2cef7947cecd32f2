"""All figures of one mode, taken once and shown as a table, as JSON and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from classify.answering.modes import Mode
from classify.evaluation import metrics
from classify.evaluation.evaluation import Evaluation
from classify.evaluation.metrics import (
    ClassFigures,
    Confusion,
    Interval,
    RiskCurve,
)
from classify.evaluation.predictions import ABSENT, Flags, Predictions
from classify.evaluation.verdict import verdict_of
from head.trust.reliability import N_BINS, ReliabilityBin, calibration_error, reliability

RISKS = (0.01, 0.02, 0.05, 0.1)
"""Error rates for which the coverage is stated."""

CURVE_POINTS = 200
"""Points of a risk-coverage curve in JSON and on the page."""


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """Answering this share of the queries costs this share of errors."""

    coverage: float
    risk: float
    threshold: float
    """Least score that is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One mode, over the queries whose class is in the gallery; None of nothing."""

    queries: int
    accuracy: Interval | None
    macro_accuracy: float | None
    macro_f1: float | None
    top3: float | None
    calibration_error: float | None
    calibration: Sequence[ReliabilityBin]
    risk_area: float | None
    risk: Sequence[RiskPoint]
    coverage_at_risk: Mapping[float, float | None]
    classes: Sequence[ClassFigures]
    confusions: Sequence[Confusion]
    near_duplicates: int
    """Of these queries, how many have a near-duplicate in the gallery."""
    without_duplicates: Interval | None
    """Accuracy over the others; None where none has one, or where all have."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        data = asdict(self)
        data["coverage_at_risk"] = {f"{k:g}": v for k, v in self.coverage_at_risk.items()}
        data["calibration_bins"] = N_BINS
        return data


def figures_of(evaluation: Evaluation) -> dict[Mode, Figures]:
    """Figures of every mode."""
    return {
        mode: _figures(predictions, evaluation.near_duplicate)
        for mode, predictions in evaluation.predictions.items()
    }


def _figures(predictions: Predictions, near_duplicate: Flags) -> Figures:
    known = predictions.truth != ABSENT
    fair = known & ~near_duplicate
    predictions, every = predictions.only(known), predictions
    classes = metrics.per_class(predictions)
    bins = reliability(predictions.confidence, predictions.correct)
    curve = metrics.risk_curve(predictions)
    return Figures(
        queries=len(predictions),
        accuracy=metrics.accuracy(predictions),
        macro_accuracy=metrics.macro([c.accuracy for c in classes]),
        macro_f1=metrics.macro([c.f1 for c in classes]),
        top3=metrics.top(predictions, 3),
        calibration_error=calibration_error(bins),
        calibration=bins,
        risk_area=curve.area,
        risk=_thinned(curve),
        coverage_at_risk={risk: curve.coverage_at(risk) for risk in RISKS},
        classes=classes,
        confusions=metrics.confusions(predictions),
        near_duplicates=int((known & near_duplicate).sum()),
        without_duplicates=(
            metrics.accuracy(every.only(fair)) if (known & near_duplicate).any() else None
        ),
    )


def _thinned(curve: RiskCurve) -> list[RiskPoint]:
    n = len(curve.coverage)
    chosen = np.unique(np.linspace(0, n - 1, min(n, CURVE_POINTS)).round().astype(int))
    return [
        RiskPoint(float(curve.coverage[i]), float(curve.risk[i]), float(curve.threshold[i]))
        for i in chosen.tolist()
    ]


def to_dict(evaluation: Evaluation, figures: Mapping[Mode, Figures]) -> dict[str, Any]:
    """The whole evaluation as JSON, without pictures."""
    verdict = verdict_of(evaluation)
    return {
        "verdict": None if verdict is None else verdict.to_dict(),
        "subject": asdict(evaluation.subject),
        "settings": dict(evaluation.settings),
        "queries": len(evaluation.names),
        "absent_classes": dict(evaluation.absent),
        "near_duplicates": int(evaluation.near_duplicate.sum()),
        "unreadable": [asdict(item) for item in evaluation.unreadable],
        "notices": evaluation.remarks,
        "modes": {mode.value: f.to_dict() for mode, f in figures.items()},
        "learning_curve": asdict(evaluation.learning) if evaluation.learning else None,
        "mistakes": {
            mode.value: [
                {
                    "id": e.id,
                    "name": e.name,
                    "truth": e.truth,
                    "answered": e.answered,
                    "score": e.score,
                    "neighbours": [asdict(n) for n in e.neighbours],
                }
                for e in exhibits
            ]
            for mode, exhibits in evaluation.mistakes.items()
        },
    }
