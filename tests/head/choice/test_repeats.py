"""The winner over divisions into folds that last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from head.choice.repeats import out_of_fold
from head.choice.selection import choose
from head.data import folds
from tests.head.conftest import Clouds

SIZES = {"ant": 40, "bee": 40, "wasp": 40}


def test_out_of_fold__asks_what_can_be_scored_in_every_division() -> None:
    """About as often right as the search found; a class of one is trained on and never asked."""
    data = Clouds(16, spread=0.4).training_set({**SIZES, "lone": 1})
    choice = choose(data)
    found = out_of_fold(data, choice)
    assert found is not None
    assert choice.winner is not None
    assert found.logits.shape == (folds.MOST_DIVISIONS, 120, 4)
    assert set(data.codes[found.rows]) == {0, 1, 3}
    accuracy = (found.logits.argmax(axis=2) == data.codes[found.rows]).mean()
    assert accuracy == pytest.approx(choice.winner.scores.accuracy, abs=0.05)
    assert not (found.logits[0] == found.logits[1]).all()


def test_out_of_fold__nobody_is_asked_about_its_own_group() -> None:
    """Labels are drawn by lot, but twins share one: who had seen a twin would know it."""
    rng = np.random.default_rng(0)
    data = Clouds(32, spread=1.0).training_set({"ant": 60, "bee": 60})
    vectors = np.repeat(rng.normal(size=(60, 32)), 2, axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    data = replace(
        data,
        vectors=vectors.astype(np.float32),
        codes=np.repeat(rng.permutation(60) % 2, 2),
        groups=np.repeat(np.arange(60), 2),
    )
    found = out_of_fold(data, choose(data))
    assert found is not None
    assert (found.logits.argmax(axis=2) == data.codes[found.rows]).mean() < 0.7


def test_out_of_fold__beyond_a_bound_the_search_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fitted again where there are many references."""
    monkeypatch.setattr(folds, "FITTED_AT_MOST", 119)
    data = Clouds(16).training_set(SIZES)
    choice = choose(data)
    found = out_of_fold(data, choice)
    assert found is not None
    assert choice.winner is not None
    assert (found.rows == choice.search.plan.scored).all()
    assert (found.logits == choice.winner.logits).all()


def test_out_of_fold__nothing_to_score() -> None:
    """Classes of one reference leave nothing to ask about."""
    data = Clouds(16).training_set({"ant": 1, "bee": 1})
    assert out_of_fold(data, choose(data)) is None
