"""Which candidate becomes the head.

First the feature map and how much shrinkage, settled by LDA out of fold: it is in closed form,
so a setting costs one decomposition a fold. Settings are compared by log loss, which moves where
the accuracy of a few hundred references stands still.

Then every candidate on the same group-aware folds. The best macro accuracy wins. Along a path
ties (`head.choice.candidates`) go to the simpler, which is the stronger penalty; between kinds
of heads to the smaller log loss, which still tells heads apart where the accuracy does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from head.choice.candidates import (
    LDA,
    STRENGTHS,
    WHITENED_PENALTIES,
    Candidate,
    average_candidate,
    lda_candidate,
    logistic_path,
    solver_spaces,
    ties,
    whitened_path,
)
from head.choice.cross_validation import CrossValidation, prepare
from head.fit.features import FeatureMap
from head.fit.options import TrainOptions
from head.steps import Step, Steps

if TYPE_CHECKING:
    from head.data.training_set import TrainingSet

SHRINKAGES = (0.5, 0.3, 0.7, 0.0)
"""Lower bounds of the shrinkage, first the one that serves the shared sets best; 0.0 leaves
Ledoit and Wolf's estimate."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The candidates of one search, and the one that won."""

    search: CrossValidation
    """With the features and the shrinkage that were settled on."""
    candidates: tuple[Candidate, ...] = ()
    """From simple to elaborate; empty where nothing could be scored."""
    winner: Candidate | None = None

    @property
    def lda(self) -> Candidate | None:
        """That candidate; None where a fold has no spread to learn."""
        return next((one for one in self.candidates if one.kind == LDA), None)


def choose(training: TrainingSet, options: TrainOptions | None = None) -> Choice:
    """Settle the features, then cross-validate every candidate on the same folds.

    Args:
        training: at least two classes.
        options: see `TrainOptions`.
    """
    options = options or TrainOptions()
    search, lda = settle(training, seed=options.seed, steps=options.steps)
    options.on_pass()
    if not search.folds:
        return Choice(search)
    _begin_comparing(search, options.steps)
    spaces = solver_spaces(search, options)
    # The whitened one first: where it wins, the plain one has the sooner nothing left to win.
    whitened = whitened_path(search, spaces, to_beat=lda, steps=options.steps)
    known = filter(None, [lda, *whitened])
    to_beat = max(known, key=lambda candidate: candidate.scores.macro_accuracy, default=None)
    plain = logistic_path(search, spaces, to_beat=to_beat, steps=options.steps)
    path = [*plain, *whitened]
    logistic = simplest(path)
    if lda is None:
        return Choice(search, tuple(path), logistic)
    average = average_candidate(lda, logistic, search)
    return Choice(search, (lda, *path, average), surest([lda, logistic, average]))


def _begin_comparing(search: CrossValidation, steps: Steps) -> None:
    """Folds are prepared, and both paths go through their strengths."""
    on_paths = len(STRENGTHS) + len(WHITENED_PENALTIES)
    words = f"comparing up to {on_paths + 2} ways to train"
    steps.begin(Step.COMPARING, of=(on_paths + 1) * len(search.folds), words=words)


def settle(
    training: TrainingSet, *, seed: int, steps: Steps | None = None
) -> tuple[CrossValidation, Candidate | None]:
    """The feature map first, at the first shrinkage; then the shrinkage.

    Returns:
        The search, and LDA in it; None where a fold has no spread to learn.
    """
    first, *others = SHRINKAGES
    steps = steps or Steps()
    steps.begin(Step.SPREADING, of=2 * len(FeatureMap) + len(others))

    def prepared(features: FeatureMap) -> CrossValidation:
        found = prepare(training, features=features, seed=seed)
        steps.did()
        return found

    def shrunk(
        estimated: CrossValidation, shrinkage: float
    ) -> tuple[CrossValidation, Candidate | None]:
        found = _shrunk(estimated, shrinkage)
        steps.did()
        return found

    searches = [prepared(features) for features in FeatureMap]
    best = min((shrunk(search, first) for search in searches), key=_log_loss)
    if best[1] is None:
        return best
    estimated = next(search for search in searches if search.features is best[0].features)
    return min([best, *(shrunk(estimated, other) for other in others)], key=_log_loss)


def simplest(candidates: Sequence[Candidate]) -> Candidate:
    """The first of those that tie with the best; candidates come simplest first."""
    return next(_tied(candidates))


def surest(candidates: Sequence[Candidate]) -> Candidate:
    """The one of the least log loss of those that tie with the best."""
    return min(_tied(candidates), key=lambda candidate: candidate.log_loss)


def _tied(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    best = max(candidates, key=lambda candidate: candidate.scores.macro_accuracy)
    return (candidate for candidate in candidates if ties(candidate, best))


def _shrunk(
    estimated: CrossValidation, shrinkage: float
) -> tuple[CrossValidation, Candidate | None]:
    search = estimated.shrunk_at_least(shrinkage)
    return search, lda_candidate(search) if search.folds else None


def _log_loss(settled: tuple[CrossValidation, Candidate | None]) -> float:
    lda = settled[1]
    return float("inf") if lda is None else lda.log_loss
