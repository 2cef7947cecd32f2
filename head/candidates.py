"""The kinds of candidates: how each predicts out of fold.

All are one linear layer on the mapped vectors in the end, so that a query costs the same
whichever wins:

- `lda`: shrinkage LDA, closed form;
- `logistic`: multinomial logistic regression on the unit vectors, over a range of C;
- `whitened logistic`: the same in the space whitened by the within-class covariance S, which
  is to say with the penalty trace(W S W.T) in place of |W|^2: directions in which references
  of one class differ are the dear ones;
- `average`: the mean of the calibrated logits of LDA and a logistic regression.

Shapes: M scored references, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.lda import LinearLayer, discriminants
from head.search import Fold, Search
from head.selection import Candidate, assess
from head.whitener import Whitener

if TYPE_CHECKING:
    from head.logistic import Solution, Space
    from head.runtime import Runtime

LDA, LOGISTIC, WHITENED, AVERAGE = "lda", "logistic", "whitened logistic", "average"
"""Kinds, from simple to elaborate."""

STRENGTHS = tuple(float(c) for c in 10.0 ** np.arange(0.0, 4.01, 0.5))
"""Values of C for unit vectors, from strong to weak regularisation."""

WHITENED_PENALTIES = (1e-3, 3e-4, 1e-4, 3e-5)
"""1 / (C * references) for whitened vectors of unit mean square length. 3e-4 wins on the
shared development sets."""

DEFAULT_STRENGTH = 10.0
"""C where nothing can be scored: among the best on the shared development sets."""

PATIENCE = 2
"""A path ends after this many strengths in a row that did not improve on the best."""


@dataclass(frozen=True, slots=True, eq=False)
class OnPath:
    """One strength: how it did, and solutions to start the next one from."""

    candidate: Candidate
    solutions: list[Solution]


def lda_candidate(search: Search) -> Candidate | None:
    """Shrinkage LDA out of fold; None where some fold has no spread to learn."""
    layers = [discriminants(fold.within) for fold in search.folds if fold.within is not None]
    if len(layers) < len(search.folds):
        return None
    return assess(LDA, LDA, search, layers)


def logistic_path(search: Search, space: Space) -> list[OnPath]:
    """All folds at each C in turn; one batched problem a strength."""
    from head.logistic import solve

    rows = np.stack([fold.trained for fold in search.folds])

    def at(strength: float, before: list[Solution]) -> tuple[list[Solution], list[LinearLayer]]:
        solution = solve(
            space, rows, np.full(len(rows), strength), start=before[0] if before else None
        )
        return [solution], [solution.layer(i) for i in range(len(rows))]

    return _path(search, LOGISTIC, STRENGTHS, at)


def whitened_path(search: Search, runtime: Runtime) -> list[OnPath]:
    """Every fold in a whitened space of its own; empty where some fold has no spread."""
    from head.logistic import solve

    spaces = [_whitened_fold(search, fold, runtime) for fold in search.folds]
    whole = [space for space in spaces if space is not None]
    if len(whole) < len(spaces):
        return []

    def at(strength: float, before: list[Solution]) -> tuple[list[Solution], list[LinearLayer]]:
        solutions = [
            solve(
                space,
                np.ones((1, len(space.x)), dtype=bool),
                np.array([strength]),
                start=before[i] if before else None,
            )
            for i, (_, space) in enumerate(whole)
        ]
        layers = [
            whitener.unfold(solution.layer(0))
            for (whitener, _), solution in zip(whole, solutions, strict=True)
        ]
        return solutions, layers

    n = max(len(space.x) for _, space in whole)
    return _path(search, WHITENED, tuple(1 / (p * n) for p in WHITENED_PENALTIES), at)


def average_candidate(lda: Candidate, logistic: Candidate, search: Search) -> Candidate:
    """The mean of both candidates' calibrated logits out of fold."""
    layers = [
        average_layer(lda, lda_layer, logistic, logistic_layer)
        for lda_layer, logistic_layer in zip(lda.layers, logistic.layers, strict=True)
    ]
    return assess(f"{AVERAGE} of {lda.name} and {logistic.name}", AVERAGE, search, layers)


def average_layer(
    lda: Candidate, lda_layer: LinearLayer, logistic: Candidate, logistic_layer: LinearLayer
) -> LinearLayer:
    """The layer whose logits are the mean of both, at the temperatures of the candidates."""
    return lda_layer.scaled(0.5 / lda.temperature) + logistic_layer.scaled(
        0.5 / logistic.temperature
    )


def _path(
    search: Search,
    kind: str,
    strengths: Sequence[float],
    at: Callable[[float, list[Solution]], tuple[list[Solution], list[LinearLayer]]],
) -> list[OnPath]:
    path: list[OnPath] = []
    for strength in strengths:
        solutions, layers = at(strength, path[-1].solutions if path else [])
        name = f"{kind}, C = {strength:.3g}"
        candidate = assess(name, kind, search, layers, strength=strength)
        path.append(OnPath(candidate=candidate, solutions=solutions))
        accuracies = [step.candidate.scores.macro_accuracy for step in path]
        if len(path) - 1 - int(np.argmax(accuracies)) >= PATIENCE:
            break
    return path


def _whitened_fold(search: Search, fold: Fold, runtime: Runtime) -> tuple[Whitener, Space] | None:
    from head.logistic import make_space

    if fold.within is None:
        return None
    trained = search.vectors[fold.trained]
    whitener = Whitener.learn(fold.within, trained)
    space = make_space(
        whitener.of(trained),
        search.codes[fold.trained],
        n_classes=search.n_classes,
        runtime=runtime,
    )
    return whitener, space
