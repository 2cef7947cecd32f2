"""Which strengths a search tries, and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from head.choice.candidates import (
    PATIENCE,
    Candidate,
    lda_candidate,
    logistic_path,
    solver_spaces,
    whitened_path,
)
from head.choice.cross_validation import CrossValidation, prepare
from head.fit.logistic import SolverSpace
from head.fit.options import TrainOptions
from tests.head.conftest import Clouds


@pytest.fixture(scope="module")
def search() -> CrossValidation:
    """Classes that differ in small numbers beside large ones of noise: accuracy rises with C."""
    data = Clouds(24).training_set({f"class{n}": 20 for n in range(10)})
    noise = np.random.default_rng(0).normal(size=(len(data), 8))
    vectors = np.hstack([0.1 * data.vectors, noise / np.linalg.norm(noise, axis=1, keepdims=True)])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return prepare(replace(data, vectors=unit.astype(np.float32)))


def spaces(search: CrossValidation) -> list[SolverSpace]:
    """Of its folds."""
    return solver_spaces(search, TrainOptions())


def names(path: list[Candidate]) -> list[str]:
    """Of its candidates."""
    return [candidate.name for candidate in path]


def perfect(candidate: Candidate) -> Candidate:
    """What no path can reach: every reference right."""
    scores = replace(candidate.scores, macro_accuracy=1.0)
    return replace(candidate, scores=scores, correct=np.ones_like(candidate.correct))


def test_path__ends_where_the_best_is_out_of_reach(search: CrossValidation) -> None:
    """A path that gains ever less than what is missing ends sooner, and begins the same."""
    lda = lda_candidate(search)
    assert lda is not None
    whole = logistic_path(search, spaces(search))
    ended = logistic_path(search, spaces(search), to_beat=perfect(lda))
    assert PATIENCE < len(ended) < len(whole)
    assert names(ended) == names(whole)[: len(ended)]
    assert [c.scores for c in ended] == [c.scores for c in whole][: len(ended)]


@pytest.mark.parametrize("follow", [logistic_path, whitened_path])
def test_path__goes_on_where_it_ties(
    search: CrossValidation, follow: Callable[..., list[Candidate]]
) -> None:
    """What is as good as the best elsewhere is followed as far as without it."""
    lda = lda_candidate(search)
    assert lda is not None
    poor = replace(lda, correct=np.zeros_like(lda.correct))
    poor = replace(poor, scores=replace(poor.scores, macro_accuracy=0.0))
    ready = spaces(search)
    assert names(follow(search, ready, to_beat=poor)) == names(follow(search, ready))
