"""The three kinds of candidates: how each predicts out of fold, and its final layer.

Shapes: M scored references, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.lda import LinearLayer, discriminants
from head.search import Search
from head.selection import Candidate, Logits, assess

if TYPE_CHECKING:
    from head.logistic import Solution, Space

STRENGTHS = tuple(float(c) for c in 10.0 ** np.arange(-1.0, 4.01, 0.5))
"""Values of C, from strong to weak regularisation. Unit vectors want large ones."""

DEFAULT_STRENGTH = 10.0
"""Where nothing can be scored: among the best on the shared development sets."""

PATIENCE = 2
"""The path ends after this many strengths in a row that did not improve on the best."""


@dataclass(frozen=True, slots=True, eq=False)
class OnPath:
    """One strength: how it did, and its solutions, to start the final fit from."""

    candidate: Candidate
    solution: Solution


def lda_candidate(search: Search) -> Candidate | None:
    """Shrinkage LDA out of fold; None where some fold has no spread to learn."""
    logits: list[Logits] = []
    for fold in search.folds:
        if fold.within is None:
            return None
        layer = discriminants(fold.within)
        logits.append(layer.logits(search.vectors[fold.scored]).astype(np.float32))
    return assess("lda", np.concatenate(logits), search.scored_codes)


def logistic_path(space: Space, search: Search) -> list[OnPath]:
    """Solve all folds at each strength in turn, until growing C stops paying."""
    from head.logistic import solve

    rows = np.stack([fold.trained for fold in search.folds])
    path: list[OnPath] = []
    for strength in STRENGTHS:
        start = path[-1].solution if path else None
        solution = solve(space, rows, np.full(len(rows), strength), start=start)
        logits = [
            solution.layer(i).logits(search.vectors[fold.scored]).astype(np.float32)
            for i, fold in enumerate(search.folds)
        ]
        candidate = assess(
            f"logistic, C = {strength:.3g}",
            np.concatenate(logits),
            search.scored_codes,
            strength=strength,
        )
        path.append(OnPath(candidate=candidate, solution=solution))
        if _stopped_paying([step.candidate.scores.macro_accuracy for step in path]):
            break
    return path


def average_candidate(lda: Candidate, logistic: Candidate, search: Search) -> Candidate:
    """The mean of both candidates' calibrated logits out of fold."""
    logits = (lda.logits / lda.temperature + logistic.logits / logistic.temperature) / 2
    return assess(
        f"average of {lda.name} and {logistic.name}",
        logits.astype(np.float32),
        search.scored_codes,
        strength=logistic.strength,
    )


def average_layer(
    lda: Candidate, lda_layer: LinearLayer, logistic: Candidate, logistic_layer: LinearLayer
) -> LinearLayer:
    """The layer whose logits are those of `average_candidate`."""
    return lda_layer.scaled(0.5 / lda.temperature) + logistic_layer.scaled(
        0.5 / logistic.temperature
    )


def _stopped_paying(accuracies: list[float]) -> bool:
    return len(accuracies) - 1 - int(np.argmax(accuracies)) >= PATIENCE
