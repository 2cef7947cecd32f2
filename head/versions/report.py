"""The report of a head version: a JSON object that says how it came about and how good it is.

Keys:

- `gallery`: name, references, counts per label, last_change (what `--if-needed` compares);
- `fingerprint`: of the embedding space;
- `trained_at`, `duration_s`, `seed`;
- `winner`, `candidates`: name of the one that won, and all with cross-validated figures;
- `features`, `shrinkage`: the feature map, and the covariance's final shrinkage;
- `cross_validation`: accuracy, macro accuracy, macro F1, scored references, folds, and the
  classes that could not be scored; null where none could;
- `classes`: label, references, cross-validated recall (null where not scored);
- `comparison`: with the head that was active (`head.versions.champion`); null where there was none;
- `calibration`: by mode, out-of-fold answers, accuracy, log loss and calibration error;
- `parameters`: numbers that the head needs to answer (`head.versions.head`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from head.data.folds import N_FOLDS
from head.data.scores import recalls
from head.versions.need import gallery_state

if TYPE_CHECKING:
    from head.data.training_set import TrainingSet
    from head.train import Trained
    from holotype.store.port import VectorStore


def training_report(
    store: VectorStore,
    training: TrainingSet,
    trained: Trained,
    *,
    trained_at: str,
    duration_s: float,
    seed: int,
) -> dict[str, Any]:
    """Everything but the parameters."""
    assert training.state is not None
    compared = trained.compared
    return {
        "gallery": {"name": store.gallery, **gallery_state(training.state)},
        "fingerprint": store.fingerprint.to_dict(),
        "trained_at": trained_at,
        "duration_s": round(duration_s, 3),
        "seed": seed,
        "winner": None if compared.winner is None else compared.winner.name,
        "features": str(compared.search.features),
        "shrinkage": None if trained.within is None else trained.within.shrinkage,
        "candidates": [candidate.to_dict() for candidate in compared.candidates],
        "cross_validation": _cross_validation(training, trained),
        "classes": _classes(training, trained),
    }


def _cross_validation(training: TrainingSet, trained: Trained) -> dict[str, Any] | None:
    winner = trained.compared.winner
    if winner is None:
        return None
    codes = trained.search.scored_codes
    not_scored = np.setdiff1d(np.arange(len(training.labels)), codes)
    return {
        "folds": N_FOLDS,
        "folds_scored": len(trained.search.folds),
        "references_scored": len(codes),
        **winner.scores.to_dict(),
        "log_loss": winner.log_loss,
        "classes_not_scored": [training.labels[c] for c in not_scored],
    }


def _classes(training: TrainingSet, trained: Trained) -> list[Mapping[str, Any]]:
    n_classes = len(training.labels)
    recall = np.full(n_classes, np.nan)
    if trained.compared.winner is not None:
        predicted = trained.compared.winner.logits.argmax(axis=1)
        recall = recalls(predicted, trained.search.scored_codes, n_classes=n_classes)
    return [
        {
            "label": label,
            "references": int(count),
            "recall": None if np.isnan(share) else float(share),
        }
        for label, count, share in zip(training.labels, training.counts, recall, strict=True)
    ]
