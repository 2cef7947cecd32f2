"""From references to a trained layer: statistics, candidates, comparison, refit.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.candidates import (
    DEFAULT_STRENGTH,
    OnPath,
    average_candidate,
    average_layer,
    lda_candidate,
    logistic_path,
)
from head.lda import LinearLayer, discriminants
from head.search import Search, prepare
from head.selection import Candidate, choose
from head.training_set import TrainingSet

if TYPE_CHECKING:
    from head.logistic import Solution, Space


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a training run tells its caller."""

    say: Callable[[str], None] = lambda _: None
    """One line about what is done now."""
    on_pass: Callable[[], None] = lambda: None
    """A sign of life, at least once per pass over the vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The winning layer, refitted on everything, and what it was chosen from."""

    layer: LinearLayer
    temperature: float
    search: Search
    candidates: tuple[Candidate, ...] = ()
    """All of them, from simple to elaborate; empty where nothing could be scored."""
    winner: Candidate | None = None


def train(
    training: TrainingSet, *, seed: int = 0, device: str = "auto", hooks: Hooks | None = None
) -> Trained:
    """Compare the candidates and refit the best.

    Args:
        training: at least two classes.
        seed: of the folds and the search's sample; the same seed gives the same head.
        device: `auto`, or a torch device, for the logistic regression.
        hooks: who is told of the progress.
    """
    from head.logistic import make_space

    hooks = hooks or Hooks()
    hooks.say("class means and the within-class covariance")
    search = prepare(training, seed=seed)
    hooks.on_pass()
    space = make_space(
        search.vectors,
        search.codes,
        n_classes=search.n_classes,
        device=device,
        on_pass=hooks.on_pass,
    )
    refit = _Refit(training, search, space, device=device, hooks=hooks)
    if not search.folds:
        hooks.say("no class can be both trained and scored: nothing is compared")
        layer = refit.logistic(DEFAULT_STRENGTH, start=None)
        return Trained(layer=layer, temperature=1.0, search=search)
    hooks.say("linear discriminant analysis")
    lda = lda_candidate(search)
    hooks.on_pass()
    hooks.say("logistic regression")
    path = logistic_path(space, search)
    return _choose_and_refit(search, lda, path, refit)


def _choose_and_refit(
    search: Search, lda: Candidate | None, path: list[OnPath], refit: _Refit
) -> Trained:
    by_strength = [step.candidate for step in path]
    logistic = choose(by_strength)
    start = next(step.solution for step in path if step.candidate is logistic)
    if lda is None or search.within is None or logistic.strength is None:
        layer = refit.logistic(logistic.strength or DEFAULT_STRENGTH, start=start)
        return Trained(layer, logistic.temperature, search, tuple(by_strength), logistic)
    average = average_candidate(lda, logistic, search)
    winner = choose([lda, logistic, average])
    lda_layer = discriminants(search.within)
    if winner is lda:
        layer = lda_layer
    else:
        layer = refit.logistic(logistic.strength, start=start)
        if winner is average:
            layer = average_layer(lda, lda_layer, logistic, layer)
    candidates = (lda, *by_strength, average)
    return Trained(layer, winner.temperature, search, candidates, winner)


@dataclass(frozen=True, slots=True, eq=False)
class _Refit:
    """Fits the logistic regression to all references, those outside the search too."""

    training: TrainingSet
    search: Search
    space: Space
    device: str
    hooks: Hooks

    def logistic(self, strength: float, *, start: Solution | None) -> LinearLayer:
        """At this C, from the first fold's solution where there is one."""
        from head.logistic import make_space, solve

        self.hooks.say(f"logistic regression on everything, C = {strength:.3g}")
        n = len(self.training)
        space = self.space
        if len(self.search.codes) < n:
            space = make_space(
                self.training.vectors,
                self.training.codes,
                n_classes=self.search.n_classes,
                device=self.device,
                on_pass=self.hooks.on_pass,
            )
        solution = solve(
            space,
            np.ones((1, n), dtype=bool),
            np.array([strength]),
            start=None if start is None else start.only(0),
        )
        return solution.layer(0)
