"""Which of several candidates wins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from head.choice.candidates import Candidate, lda_candidate
from head.choice.cross_validation import prepare
from head.choice.selection import simplest, surest
from tests.head.conftest import Clouds

N = 120


@pytest.fixture(scope="module")
def judged() -> Candidate:
    """A candidate that was scored on every reference of three classes."""
    found = lda_candidate(prepare(Clouds(24).training_set({"ant": 40, "bee": 40, "wasp": 40})))
    assert found is not None
    return found


def with_wrong(judged: Candidate, name: str, wrong: range, *, log_loss: float) -> Candidate:
    """The same, wrong about these references only."""
    correct = ~np.isin(np.arange(N), wrong)
    scores = replace(judged.scores, macro_accuracy=float(correct.mean()))
    return replace(judged, name=name, correct=correct, scores=scores, log_loss=log_loss)


def test_choice__among_ties(judged: Candidate) -> None:
    """Behind by one reference of 120 is a tie: to the first on a path, to the surest of kinds."""
    plain = with_wrong(judged, "plain", range(10), log_loss=0.5)
    sure = with_wrong(judged, "sure", range(8, 18), log_loss=0.3)
    best = with_wrong(judged, "best", range(5, 14), log_loss=0.4)
    assert simplest([plain, sure, best]).name == "plain"
    assert surest([plain, sure, best]).name == "sure"


def test_choice__accuracy_comes_first(judged: Candidate) -> None:
    """Behind by more than chance, neither simplicity nor a small log loss helps."""
    far_behind = with_wrong(judged, "far behind", range(60), log_loss=0.1)
    best = with_wrong(judged, "best", range(10), log_loss=0.4)
    assert simplest([far_behind, best]).name == "best"
    assert surest([far_behind, best]).name == "best"
