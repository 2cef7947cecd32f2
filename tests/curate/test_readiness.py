"""How ready classes are, against counting by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from curate.learning import error_at
from curate.out_of_fold import OutOfFold, out_of_fold
from curate.readiness import (
    LEAST_RECALL,
    MOST_NEEDED,
    STEP,
    WORTH,
    Verdict,
    cannot_be_told_apart,
    jeffreys,
    needed,
    readiness,
    rounded,
)
from curate.view import GalleryView
from head.data.training_set import TrainingSet
from holotype.errors import TooFewReferences
from tests.head.conftest import Clouds

CLOUDS = Clouds(dimension=24, spread=0.25)


def view_of(training: TrainingSet) -> GalleryView:
    """The same references, with made-up ids."""
    return GalleryView([f"{n}" for n in range(len(training))], [None] * len(training), training)


def answering(rows: Sequence[int], answers: Sequence[int], n_classes: int) -> OutOfFold:
    """Out-of-fold answers by class numbers."""
    return OutOfFold(np.array(rows), np.eye(n_classes, dtype=np.float32)[list(answers)])


def test_readiness__counts_groups_once() -> None:
    """Two of three groups are right; the third is half right and half taken for bees."""
    groups = [0, 0, 1, 2, 2, *range(3, 11)]
    training = CLOUDS.training_set({"ant": 5, "bee": 8}, groups=groups)
    outs = answering(range(13), [0, 0, 0, 0, 1, *[1] * 8], 2)
    ant, bee = readiness(view_of(training), outs)
    assert (ant.references, ant.groups, ant.scored) == (5, 3, 3)
    assert ant.recall == pytest.approx(2.5 / 3)
    assert (ant.confused_with, ant.confused) == ("bee", pytest.approx(0.5 / 3))
    assert ant.interval == pytest.approx(jeffreys(2.5, 3))
    assert ant.verdict is Verdict.TOO_FEW
    assert (bee.recall, bee.confused_with, bee.confused) == (1.0, None, 0.0)


def test_readiness__near_duplicates_count_once() -> None:
    """Eight copies of one picture are one group, whatever their groups say."""
    training = CLOUDS.training_set({"ant": 12, "bee": 12})
    vectors = np.concatenate([np.repeat(training.vectors[:1], 8, axis=0), training.vectors[8:]])
    outs = answering(range(24), [*[1] * 8, *[0] * 4, *[1] * 12], 2)
    ant, _ = readiness(view_of(replace(training, vectors=vectors)), outs)
    assert (ant.references, ant.groups, ant.scored) == (12, 5, 5)
    assert ant.recall == pytest.approx(4 / 5)


def test_readiness__classes_that_cannot_be_told_apart() -> None:
    """One class under two names is found from both sides, and the third class is not blamed."""
    training = CLOUDS.training_set({"ant": 60, "bee": 30})
    codes = np.where(training.codes == 1, 2, np.arange(90) % 2)
    twice = replace(training, labels=("ant", "ant again", "bee"), codes=codes)
    found = readiness(view_of(twice), out_of_fold(twice))
    assert [one.verdict for one in found] == [Verdict.MERGE, Verdict.MERGE, Verdict.ENOUGH]
    assert found[0].says == "cannot be told apart from ant again: merge?"
    assert found[1].confused_with == "ant"


def test_readiness__more_references_are_worth_less_and_less() -> None:
    """A class that is missed gains more, and needs more, than one that is not."""
    training = Clouds(dimension=24, spread=0.6).training_set(dict.fromkeys("abcdefgh", 16))
    found = readiness(view_of(training), out_of_fold(training))
    weak = min(found, key=lambda one: one.recall or 0)
    strong = max(found, key=lambda one: one.recall or 0)
    assert weak.needs is not None
    assert (weak.gain or 0) > (strong.gain or 0) > 0
    assert weak.needs > (strong.needs or 0)
    assert weak.says == f"needs about {rounded(weak.needs)} more"


def test_readiness__of_what_cannot_be_scored() -> None:
    """A reference alone in its class, no two that differ, and one class are each a word."""
    alone = CLOUDS.training_set({"ant": 1, "bee": 1})
    for one in readiness(view_of(alone), out_of_fold(alone)):
        assert (one.scored, one.recall, one.interval, one.gain, one.needs) == (0, *[None] * 4)
        assert one.says == "too few to say"
    copies = CLOUDS.training_set({"ant": 4, "bee": 4})
    copies = replace(copies, vectors=np.repeat(copies.vectors[[0, 4]], 4, axis=0))
    found = readiness(view_of(copies), out_of_fold(copies))
    assert [one.says for one in found] == ["too few to say"] * 2
    single = CLOUDS.training_set({"ant": 4})
    with pytest.raises(TooFewReferences, match=r"one class only \('ant'\).*ingest add"):
        readiness(view_of(single), out_of_fold(single))


@pytest.mark.parametrize("error", [0.02, 0.1, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("groups", [3, 12, 40])
@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.2])
def test_needed__is_found_by_trying(error: float, groups: int, exponent: float) -> None:
    """Every number of more references in turn, by the rule as it is written."""

    def after(more: int) -> float:
        return float(error_at(error, exponent, (groups + more) / groups))

    tried = range(MOST_NEEDED + 1)
    worth = [n for n in tried if after(n) - after(n + STEP) >= WORTH]
    missed = [n for n in tried if 1 - after(n) < LEAST_RECALL]
    expected = max(worth[-1] + 1 + STEP // 2 if worth else 0, missed[-1] + 1 if missed else 0)
    assert needed(error, groups, exponent) == min(expected, MOST_NEEDED + 1)


def test_cannot_be_told_apart__asks_both_sides() -> None:
    """Even chances do; a class that swallows another, few answers, and 70 % of many do not."""
    assert cannot_be_told_apart(np.array([[10.0, 10.0], [10.0, 10.0]]))
    assert not cannot_be_told_apart(np.array([[4.0, 16.0], [1.0, 19.0]]))
    assert not cannot_be_told_apart(np.array([[2.0, 2.0], [2.0, 2.0]]))
    assert not cannot_be_told_apart(np.array([[17.0, 8.0], [8.0, 17.0]]))
    assert cannot_be_told_apart(np.array([[170.0, 80.0], [80.0, 170.0]]))
    assert not cannot_be_told_apart(np.array([[5.0, 0.0], [0.0, 0.0]]))


def test_jeffreys__holds_what_it_says() -> None:
    """The truth is in 95 % intervals about that often, and ends are reached."""
    assert jeffreys(0, 12)[0] == 0.0
    assert jeffreys(12, 12)[1] == 1.0
    rng = np.random.default_rng(0)
    drawn = np.quantile(rng.beta(9.5, 3.5, size=200_000), [0.025, 0.975])
    assert jeffreys(9, 12) == pytest.approx(drawn.tolist(), abs=2e-3)
    right = rng.binomial(30, 0.8, size=300)
    intervals = [jeffreys(n, 30) for n in right]
    assert 0.92 < np.mean([low <= 0.8 <= high for low, high in intervals]) < 0.98


def test_rounded__claims_no_more_than_is_known() -> None:
    """Exact up to 20, then by fives, then by tens, always upwards."""
    assert [rounded(n) for n in (1, 12, 20, 21, 97, 101)] == [1, 12, 20, 25, 100, 110]
