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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.lda import LinearLayer, discriminants
from head.search import Fold, Search
from head.selection import Candidate, assess, ties
from head.whitener import Whitener

if TYPE_CHECKING:
    from head.logistic import Solution, Space
    from head.runtime import Runtime
    from holotype.references import Vectors

LDA, LOGISTIC, WHITENED, AVERAGE = "lda", "logistic", "whitened logistic", "average"
"""Kinds, from simple to elaborate."""

STRENGTHS = tuple(float(c) for c in 10.0 ** np.arange(0.0, 4.01, 0.5))
"""Values of C for unit vectors, from strong to weak regularisation."""

WHITENED_PENALTIES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7)
"""1 / (C * references) for whitened vectors of unit mean square length. 3e-4 wins on the
shared development sets; galleries of many classes want less."""

DEFAULT_STRENGTH = 10.0
"""C where nothing can be scored: among the best on the shared development sets."""

PATIENCE = 2
"""A path ends after this many strengths in a row that did no better than tie with the best."""


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


def logistic_path(search: Search, runtime: Runtime) -> list[OnPath]:
    """Every fold at each C in turn."""
    trainees = [
        _trainee(search, fold, search.vectors[fold.trained], runtime) for fold in search.folds
    ]
    return _path(search, LOGISTIC, STRENGTHS, trainees)


def whitened_path(search: Search, runtime: Runtime) -> list[OnPath]:
    """The same, every fold whitened by itself; empty where some fold has no spread."""
    trainees = []
    for fold in search.folds:
        if fold.within is None:
            return []
        vectors = search.vectors[fold.trained]
        whitener = Whitener.learn(fold.within, vectors)
        trainees.append(_trainee(search, fold, whitener.of(vectors), runtime, whitener))
    n = max(len(trainee.space.x) for trainee in trainees)
    strengths = tuple(1 / (p * n) for p in WHITENED_PENALTIES)
    return _path(search, WHITENED, strengths, trainees)


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


@dataclass(frozen=True, slots=True, eq=False)
class _Trainee:
    """One fold's references, ready for the solver."""

    space: Space
    whitener: Whitener | None

    def layer(self, solution: Solution) -> LinearLayer:
        """For mapped vectors."""
        layer = solution.layer()
        return layer if self.whitener is None else self.whitener.unfold(layer)


def _trainee(
    search: Search,
    fold: Fold,
    vectors: Vectors,
    runtime: Runtime,
    whitener: Whitener | None = None,
) -> _Trainee:
    from head.logistic import make_space

    codes = search.codes[fold.trained]
    space = make_space(vectors, codes, n_classes=search.n_classes, runtime=runtime)
    return _Trainee(space, whitener)


def _path(
    search: Search, kind: str, strengths: Sequence[float], trainees: Sequence[_Trainee]
) -> list[OnPath]:
    """One strength after the other, until it is clear that more does not help."""
    from head.logistic import solve

    path: list[OnPath] = []
    starts: list[Solution | None] = [None] * len(trainees)
    best, idle = None, 0
    for strength in strengths:
        solutions = [
            solve(trainee.space, strength, start=start)
            for trainee, start in zip(trainees, starts, strict=True)
        ]
        layers = [
            trainee.layer(solution) for trainee, solution in zip(trainees, solutions, strict=True)
        ]
        name = f"{kind}, C = {strength:.3g}"
        candidate = assess(name, kind, search, layers, strength=strength)
        path.append(OnPath(candidate=candidate, solutions=solutions))
        starts = [*solutions]
        if best is None or not ties(best, candidate):
            best, idle = candidate, 0
        else:
            idle += 1
        if idle == PATIENCE:
            break
    return path
