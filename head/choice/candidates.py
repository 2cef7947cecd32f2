"""The candidates for a head: how each predicts out of fold, and how well.

All are one linear layer on the mapped vectors in the end, so that a query costs the same
whichever wins:

- `lda`: shrinkage LDA, closed form;
- `logistic`: multinomial logistic regression on the unit vectors, over a range of C;
- `whitened logistic`: the same in the space whitened by the within-class covariance S, which
  is to say with the penalty trace(W S W.T) in place of |W|^2: directions in which references
  of one class differ are the dear ones;
- `average`: the mean of the calibrated logits of LDA and a logistic regression.

A candidate ties with a better one where it is behind by less than a share of the standard error
of their difference in macro accuracy, taken on the same references.

Shapes: M scored references, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from head.choice.cross_validation import CrossValidation
from head.data.scores import Scores, paired_difference, score
from head.fit.lda import LinearLayer, discriminants
from head.fit.logistic import Solution, SolverSpace, make_space, rotated, solve
from head.fit.statistics import means_alone
from head.fit.temperature import fit_temperature, log_loss
from head.steps import Steps

if TYPE_CHECKING:
    from head.fit.options import TrainOptions

LDA, LOGISTIC, WHITENED, AVERAGE = "lda", "logistic", "whitened logistic", "average"
"""Kinds, from simple to elaborate."""

STRENGTHS = tuple(float(c) for c in 10.0 ** np.arange(0.0, 4.01, 0.5))
"""Values of C for unit vectors, from strong to weak regularisation."""

WHITENED_PENALTIES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7)
"""1 / (C * references) for whitened vectors of unit mean square length. 3e-4 wins on the
shared development sets; galleries of many classes want less."""

MOST_PENALTY = 0.1
"""Divided by the number of classes, the largest penalty that is tried: one of the first three. With
1,000 classes the two before it recall 1 and 4 % of a class; with up to 100 all are tried."""

DEFAULT_STRENGTH = 10.0
"""C where nothing can be scored: among the best on the shared development sets."""

PATIENCE = 2
"""A path ends after this many strengths in a row that did no better than tie with its best, or
from which what is best elsewhere is out of reach (see `_Patience`)."""

TIE = 0.5
"""Standard errors of the paired difference in macro accuracy within which candidates tie."""

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A candidate and how it did out of fold."""

    name: str
    kind: str
    """`LDA`, `LOGISTIC`, `WHITENED` or `AVERAGE`."""
    search: CrossValidation
    layers: tuple[LinearLayer, ...]
    """One for each scored fold, trained without it."""
    scores: Scores
    log_loss: float
    """Nats, after the temperature."""
    temperature: float
    correct: npt.NDArray[np.bool_]
    """(M,) in the order of `SearchPlan.scored`."""
    strength: float | None = None
    """C of the logistic regression in it."""
    parts: tuple[Candidate, ...] = ()
    """The two that an average is of: LDA, and a logistic regression."""

    @property
    def logits(self) -> Logits:
        """(M, C) out of fold, before the temperature; computed at every call."""
        return self.search.held_out_logits(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "name": self.name,
            "kind": self.kind,
            "C": self.strength,
            **self.scores.to_dict(),
            "log_loss": self.log_loss,
        }


def assess(
    name: str,
    kind: str,
    search: CrossValidation,
    layers: Sequence[LinearLayer],
    *,
    strength: float | None = None,
    parts: tuple[Candidate, ...] = (),
) -> Candidate:
    """Score the layers, one a fold, on the references that each was trained without."""
    codes, logits = search.scored_codes, search.held_out_logits(layers)
    temperature, predicted = fit_temperature(logits, codes), logits.argmax(axis=1)
    return Candidate(
        name=name,
        kind=kind,
        search=search,
        layers=tuple(layers),
        scores=score(predicted, codes, n_classes=search.n_classes),
        log_loss=log_loss(logits, codes, temperature),
        temperature=temperature,
        correct=predicted == codes,
        strength=strength,
        parts=parts,
    )


def ties(candidate: Candidate, best: Candidate) -> bool:
    """Whether `candidate` is behind `best` by no more than `TIE`, or not at all."""
    difference = paired_difference(candidate.correct, best.correct, best.search.scored_codes)
    return difference.mean >= -TIE * difference.standard_error


def lda_candidate(search: CrossValidation) -> Candidate | None:
    """Shrinkage LDA out of fold; None where some fold has no spread to learn."""
    layers = [discriminants(fold.within) for fold in search.folds if fold.within is not None]
    if len(layers) < len(search.folds):
        return None
    return assess(LDA, LDA, search, layers)


def solver_spaces(search: CrossValidation, options: TrainOptions) -> list[SolverSpace]:
    """Every fold's references, ready for the solver."""
    spaces = []
    for fold in search.folds:
        vectors, codes = search.vectors[fold.trained], search.codes[fold.trained]
        within = fold.within or means_alone(vectors, codes, n_classes=search.n_classes)
        spaces.append(make_space(rotated(vectors, within), codes, within, options))
        options.steps.did()
    return spaces


def logistic_path(
    search: CrossValidation,
    spaces: Sequence[SolverSpace],
    *,
    to_beat: Candidate | None = None,
    steps: Steps | None = None,
) -> list[Candidate]:
    """Every fold at each C in turn, while that may still win against `to_beat`."""
    return _path(search, LOGISTIC, STRENGTHS, spaces, to_beat, steps or Steps())


def whitened_path(
    search: CrossValidation,
    spaces: Sequence[SolverSpace],
    *,
    to_beat: Candidate | None = None,
    steps: Steps | None = None,
) -> list[Candidate]:
    """The same, every fold whitened by itself; empty where some fold has no spread."""
    if any(fold.within is None for fold in search.folds):
        return []
    n = max(len(space.x) for space in spaces)
    most = max(MOST_PENALTY / search.n_classes, WHITENED_PENALTIES[2])
    strengths = tuple(1 / (p * n) for p in WHITENED_PENALTIES if p <= most)
    steps = steps or Steps()
    steps.did(len(search.folds) * (len(WHITENED_PENALTIES) - len(strengths)))
    return _path(search, WHITENED, strengths, spaces, to_beat, steps)


def average_candidate(lda: Candidate, logistic: Candidate, search: CrossValidation) -> Candidate:
    """The mean of both candidates' calibrated logits out of fold."""
    layers = [
        average_layer(lda, lda_layer, logistic, logistic_layer)
        for lda_layer, logistic_layer in zip(lda.layers, logistic.layers, strict=True)
    ]
    name = f"{AVERAGE} of {lda.name} and {logistic.name}"
    return assess(name, AVERAGE, search, layers, parts=(lda, logistic))


def average_layer(
    lda: Candidate, lda_layer: LinearLayer, logistic: Candidate, logistic_layer: LinearLayer
) -> LinearLayer:
    """The layer whose logits are the mean of both, at the temperatures of the candidates."""
    return lda_layer.scaled(0.5 / lda.temperature) + logistic_layer.scaled(
        0.5 / logistic.temperature
    )


def _path(
    search: CrossValidation,
    kind: str,
    strengths: Sequence[float],
    spaces: Sequence[SolverSpace],
    to_beat: Candidate | None,
    steps: Steps,
) -> list[Candidate]:
    """One strength after the other, until it is clear that more does not help."""
    path: list[Candidate] = []
    found: list[Solution] | list[None] = [None] * len(spaces)
    patience = _Patience(to_beat)
    for strength in strengths:
        solved: list[Solution] = []
        for space, start in zip(spaces, found, strict=True):
            solved.append(solve(space, strength, whitened=kind == WHITENED, start=start))
            steps.did()
        found = solved
        layers = [one.layer(space) for one, space in zip(found, spaces, strict=True)]
        name = f"{kind}, C = {strength:.3g}"
        path.append(assess(name, kind, search, layers, strength=strength))
        if patience.is_over_with(path[-1]):
            break
    steps.did(len(spaces) * (len(strengths) - len(path)))  # what need not be tried
    return path


class _Patience:
    """Whether a path is worth going on.

    Accuracy along a path rises steeply, then ever less, then falls. So once a strength gained
    less than the one before it, and less than what is missing to the best candidate elsewhere,
    the rest of the path will hardly get there.
    """

    def __init__(self, to_beat: Candidate | None) -> None:
        self._to_beat = to_beat
        self._best: Candidate | None = None
        self._accuracy = self._gain = 0.0
        self._idle = self._behind = 0

    def is_over_with(self, candidate: Candidate) -> bool:
        """Tell of the next candidate; whether to end with it."""
        better = self._best is None or not ties(self._best, candidate)
        self._best = candidate if better else self._best
        self._idle = 0 if better else self._idle + 1
        self._behind = self._behind + 1 if self._is_out_of_reach(candidate) else 0
        return PATIENCE in (self._idle, self._behind)

    def _is_out_of_reach(self, candidate: Candidate) -> bool:
        accuracy, last_gain = candidate.scores.macro_accuracy, self._gain
        self._gain, self._accuracy = accuracy - self._accuracy, accuracy
        if self._to_beat is None or ties(candidate, self._to_beat):
            return False
        missing = self._to_beat.scores.macro_accuracy - accuracy
        return self._gain < min(last_gain, missing)
