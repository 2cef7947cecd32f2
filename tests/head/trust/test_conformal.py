"""Label sets with a coverage that holds."""

from __future__ import annotations

import numpy as np
import pytest

from head.fit.temperature import softmax
from head.trust.conformal import LabelSets
from holotype.errors import UsageError


def predictions(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 8) probabilities of a mediocre predictor and the truth."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 8, n)
    logits = rng.normal(size=(n, 8))
    logits[np.arange(n), codes] += 1.5
    return softmax(logits), codes


@pytest.mark.parametrize("coverage", [0.7, 0.9, 0.95])
def test_label_sets__cover_new_queries_as_often_as_asked(coverage: float) -> None:
    """Coverage of fresh queries lies within three standard errors of what was asked."""
    probabilities, codes = predictions(4000, seed=0)
    sets = LabelSets.fit(probabilities[np.arange(4000), codes])
    fresh, truth = predictions(4000, seed=1)
    covered = sets.of(fresh, coverage)[np.arange(4000), truth].mean()
    assert covered == pytest.approx(coverage, abs=3 * (coverage * (1 - coverage) / 2000) ** 0.5)


def test_label_sets__by_hand() -> None:
    """Of 19 references at 0.05 ... 0.95, at least 90 % coverage leaves out the lowest one."""
    sets = LabelSets.fit(np.arange(1, 20) * 0.05)
    assert sets.least_for(0.95) == pytest.approx(0.05)
    assert sets.least_for(0.9) == pytest.approx(0.10)
    assert sets.least_for(0.5) == pytest.approx(0.50)


def test_label_sets__hold_every_label_where_references_are_too_few() -> None:
    """Ten references cannot vouch for 95 %: no label is left out."""
    sets = LabelSets.fit(np.linspace(0.5, 0.9, 10))
    assert sets.of(np.array([[0.98, 0.01, 0.01]]), 0.95).all()


def test_label_sets__are_never_empty() -> None:
    """The best label is in the set even where it is improbable."""
    sets = LabelSets.fit(np.full(100, 0.9))
    assert sets.of(np.array([[0.4, 0.35, 0.25]]), 0.9).tolist() == [[True, False, False]]


def test_label_sets__coverage_between_levels_is_rounded_up() -> None:
    """A coverage that is not stored gets the sets of the next higher one."""
    sets = LabelSets.fit(np.linspace(0, 1, 1000))
    assert sets.least_for(0.9513) == sets.least_for(0.955)


@pytest.mark.parametrize("coverage", [0.2, 1.0])
def test_label_sets__coverage_out_of_range_is_refused(coverage: float) -> None:
    """The message states the range."""
    with pytest.raises(UsageError, match=r"0\.5 to 0\.999"):
        LabelSets.fit(np.linspace(0, 1, 100)).of(np.ones((1, 1)), coverage)


def test_label_sets__survive_json() -> None:
    """What is stored is what was fitted."""
    sets = LabelSets.fit(np.linspace(0, 1, 100))
    assert LabelSets.from_json(sets.to_json()) == sets
