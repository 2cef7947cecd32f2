"""From references to a trained layer: settle, compare, refit.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from head.choice.candidates import average_candidate, logistic_path, whitened_path
from head.choice.refit import Refit
from head.choice.search import Search, within_everything
from head.choice.selection import Candidate, simplest, surest
from head.choice.settle import Setting, settle
from head.fit.runtime import Runtime

if TYPE_CHECKING:
    from head.data.training_set import TrainingSet
    from head.fit.lda import LinearLayer
    from head.fit.statistics import WithinClass


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The candidates of one search, from simple to elaborate."""

    search: Search
    shrinkage: float
    """Lower bound that was settled on."""
    candidates: tuple[Candidate, ...]
    """Empty where nothing could be scored."""
    winner: Candidate | None
    lda: Candidate | None
    logistic: Candidate | None
    """The best logistic regression."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The winning layer, fitted to everything, and what it was chosen from."""

    layer: LinearLayer
    compared: Compared
    within: WithinClass | None
    """Of all references, shrunk as was settled; None where no class has two that differ."""

    @property
    def search(self) -> Search:
        """What the candidates were compared on."""
        return self.compared.search

    @property
    def temperature(self) -> float:
        """Of the layer's logits."""
        winner = self.compared.winner
        return 1.0 if winner is None else winner.temperature


def compare(training: TrainingSet, *, seed: int = 0, runtime: Runtime | None = None) -> Compared:
    """Settle the features, then cross-validate every candidate on the same folds.

    Args:
        training: at least two classes.
        seed: of the folds and the search's sample; the same seed gives the same result.
        runtime: where to compute, and whom to tell.
    """
    runtime = runtime or Runtime()
    runtime.say("class means, within-class covariance, linear discriminant analysis")
    setting = settle(training, seed=seed)
    runtime.on_pass()
    search = setting.search
    if not search.folds:
        runtime.say("no class can be both trained and scored: nothing is compared")
        return Compared(search, setting.shrinkage, (), None, None, None)
    runtime.say("logistic regression")
    # The whitened one first: where it wins, the plain one has the sooner nothing left to win.
    whitened = whitened_path(search, runtime, to_beat=setting.lda)
    known = filter(None, [setting.lda, *whitened])
    to_beat = max(known, key=lambda candidate: candidate.scores.macro_accuracy, default=None)
    return _judged(setting, [*logistic_path(search, runtime, to_beat=to_beat), *whitened])


def train(training: TrainingSet, *, seed: int = 0, runtime: Runtime | None = None) -> Trained:
    """Compare the candidates and fit the best to everything; see `compare`."""
    runtime = runtime or Runtime()
    compared = compare(training, seed=seed, runtime=runtime)
    return refit(training, compared, runtime=runtime)


def refit(training: TrainingSet, compared: Compared, *, runtime: Runtime) -> Trained:
    """Fit the winner to everything (see `head.choice.refit` on what becomes of large arrays)."""
    features = compared.search.features
    estimated = within_everything(training, features)
    within = None if estimated is None else estimated.shrunk_at_least(compared.shrinkage)
    runtime.on_pass()
    fit = Refit(training, features, within, runtime)
    if compared.winner is None or compared.logistic is None:
        layer = fit.logistic(None)
    else:
        layer = fit.winner(compared.winner, lda=compared.lda, best_logistic=compared.logistic)
    return Trained(layer=layer, compared=compared, within=within)


def _judged(setting: Setting, path: list[Candidate]) -> Compared:
    lda, logistic = setting.lda, simplest(path)
    candidates, finalists = path, [logistic]
    if lda is not None:
        average = average_candidate(lda, logistic, setting.search)
        candidates = [lda, *path, average]
        finalists = [lda, logistic, average]
    return Compared(
        search=setting.search,
        shrinkage=setting.shrinkage,
        candidates=tuple(candidates),
        winner=surest(finalists),
        lda=lda,
        logistic=logistic,
    )
