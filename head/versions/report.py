"""The report of a head version: a JSON object that says how it came about and how good it is.

Keys that training knows (`head.train`):

- `winner`, `candidates`: name of the one that won, and all with cross-validated figures;
- `features`, `shrinkage`: the feature map, and the covariance's final shrinkage;
- `cross_validation`: accuracy, macro accuracy, macro F1, scored references, folds, and the
  classes that could not be scored; null where none could;
- `classes`: label, references, cross-validated recall (null where not scored), `confused_with`, the
  class that it was taken for most often (null where it was for none; missing in older reports), and
  `confused`, the share of its scored references that were;
- `comparison`: with the head that was active (`head.versions.champion`); null where there was none;
- `calibration`: by mode, out-of-fold answers, accuracy, log loss and calibration error;
- `seed`.

Keys that the job adds:

- `gallery`: name, references, counts per label, last_change (what `--if-needed` compares);
- `fingerprint`: of the embedding space;
- `trained_at`, `duration_s`.

And `parameters`: the numbers that the head needs to answer (`head.versions.head`), when it is
stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from head.data.folds import N_FOLDS
from head.data.scores import by_class
from holotype.references import Codes

if TYPE_CHECKING:
    from head.choice.selection import Choice
    from head.data.training_set import TrainingSet
    from head.fit.statistics import WithinClass


def training_report(
    training: TrainingSet, choice: Choice, *, within: WithinClass | None, seed: int
) -> dict[str, Any]:
    """How the head was chosen, and how good it is by class.

    Args:
        training: what it was trained on.
        choice: the candidates, and which won.
        within: statistics of all references, as shrunk; None where there is no spread to learn.
        seed: of the folds.
    """
    return {
        "seed": seed,
        "winner": None if choice.winner is None else choice.winner.name,
        "features": str(choice.search.features),
        "shrinkage": None if within is None else within.shrinkage,
        "candidates": [candidate.to_dict() for candidate in choice.candidates],
        "cross_validation": _cross_validation(training, choice),
        "classes": _classes(training, choice),
    }


def _cross_validation(training: TrainingSet, choice: Choice) -> dict[str, Any] | None:
    winner = choice.winner
    if winner is None:
        return None
    codes = choice.search.scored_codes
    not_scored = np.setdiff1d(np.arange(len(training.labels)), codes)
    return {
        "folds": N_FOLDS,
        "folds_scored": len(choice.search.folds),
        "references_scored": len(codes),
        **winner.scores.to_dict(),
        "log_loss": winner.log_loss,
        "classes_not_scored": [training.labels[c] for c in not_scored],
    }


def _classes(training: TrainingSet, choice: Choice) -> list[Mapping[str, Any]]:
    asked = np.empty(0, np.int64)
    predicted = np.empty(0, np.int64)
    if choice.winner is not None:
        asked, predicted = choice.search.scored_codes, choice.winner.logits.argmax(axis=1)
    n_classes = len(training.labels)
    recall = by_class(predicted, asked, n_classes=n_classes).recall
    return [
        {
            "label": label,
            "references": int(count),
            "recall": None if np.isnan(share) else float(share),
            **_taken_for(predicted[asked == c], c, training.labels),
        }
        for c, (label, count, share) in enumerate(
            zip(training.labels, training.counts, recall, strict=True)
        )
    ]


def _taken_for(answers: Codes, own: int, labels: Sequence[str]) -> dict[str, Any]:
    """The class that most answers wrongly name, and their share of all answers."""
    counts = np.bincount(answers[answers != own], minlength=1)
    most = int(counts.argmax())
    if not counts[most]:
        return {"confused_with": None, "confused": 0.0}
    return {"confused_with": labels[most], "confused": float(counts[most] / len(answers))}
