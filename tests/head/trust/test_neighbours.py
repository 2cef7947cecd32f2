"""Out-of-fold votes of the gallery on itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from head.choice.cross_validation import prepare
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.whitening import Metric
from head.trust.calibration import made_up_for
from head.trust.neighbours import LeftOutVotes, left_out_votes
from holotype import knn
from holotype.votes import BY_METRIC, VoteRule, Voting
from tests.head.conftest import Clouds

SIZES = {"ant": 20, "bee": 20, "wasp": 20}


@pytest.fixture
def data() -> TrainingSet:
    """Three classes, references in groups of two."""
    return Clouds(16, spread=0.4).training_set(SIZES, groups=list(np.arange(60) // 2))


@pytest.mark.parametrize(("rule", "k"), [(BY_METRIC.rule, 15), (VoteRule(), 15), (VoteRule(), 4)])
def test_votes__are_those_of_one_query_at_a_time(data: TrainingSet, rule: VoteRule, k: int) -> None:
    """Blocks and folds give what a loop over references gives: own group never votes."""
    search = prepare(data)
    voting = Voting(candidates=15, k=k, rule=rule)
    votes = left_out_votes(search, data, voting=voting)
    assert votes is not None
    assert sorted(votes.positions) == list(range(60))
    sizes = np.bincount(data.codes).astype(float)
    for position, sums in list(zip(votes.positions, votes.sums, strict=True))[::7]:
        fold = next(fold for fold in search.folds if fold.scored[position])
        assert fold.within is not None
        white = Metric.of(fold.within, FeatureMap.PLAIN).whiten(data.vectors)
        others = np.flatnonzero(data.groups != data.groups[position])
        cosine = data.vectors[others] @ data.vectors[position]
        nearest = others[np.argsort(-cosine)[:15]]
        learned = white[nearest] @ white[position]
        order = np.argsort(-learned)[:k]
        nearest, learned = nearest[order], learned[order]
        expected = rule.cast(
            learned[None],
            data.codes[nearest][None],
            class_sizes=sizes,
            affinities=(white[nearest] @ white[nearest].T)[None],
        ).sums[0]
        np.testing.assert_allclose(sums, expected, atol=1e-4)


def test_votes__fewer_queries_are_spread_over_the_folds(data: TrainingSet) -> None:
    """A bound takes some queries of each fold."""
    search = prepare(data)
    votes = left_out_votes(search, data, at_most=20)
    assert votes is not None
    assert len(votes.positions) == 20
    assert len(set(search.plan.folds[votes.positions])) == 5


def test_votes__groups_that_fill_the_gallery_leave_no_voter(
    data: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query whose group is nearly everything is voted on by the few that are left."""
    monkeypatch.setattr(knn, "GATHERED", 7 * 60 * 16)
    groups = np.zeros(60, dtype=np.int64)
    groups[[0, 1, 20, 21, 40, 41]] = np.arange(1, 7)
    data = replace(data, groups=groups)
    search = prepare(data)
    votes = left_out_votes(search, data, voting=Voting(candidates=100, k=100, rule=VoteRule()))
    assert votes is not None
    np.testing.assert_allclose(votes.sums.sum(axis=1), 1)


def test_votes__none_without_a_metric() -> None:
    """Classes without spread have no metric, so nobody votes by one."""
    data = Clouds(16, spread=0.0).training_set({"ant": 5, "bee": 5})
    search = prepare(data)
    assert left_out_votes(search, data) is None


def test_made_up_for__a_class_of_two_finds_both() -> None:
    """What a query's own class lacks is made up for, and the others make room."""
    data = Clouds(16, spread=0.4).training_set({"ant": 2, "bee": 4})
    votes = LeftOutVotes(np.array([0, 2]), np.array([[0.3, 0.7], [0.5, -0.1]]))
    sums = made_up_for(votes, prepare(data), data)
    np.testing.assert_allclose(sums, [[0.6 / 1.3, 0.7 / 1.3], [0.5, 0.0]])
