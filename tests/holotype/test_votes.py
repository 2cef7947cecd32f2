"""Voting, on numbers that one can check by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from holotype.votes import (
    BEFORE_IT_WAS_STORED,
    BY_METRIC,
    Tally,
    VoteRule,
    Voting,
    Weighting,
    vote_scores,
)

MAJORITY = VoteRule(weighting=Weighting.EQUAL)
WEIGHTED = VoteRule(temperature=0.07)


def _cast(rule: VoteRule, similarities: list[float], classes: list[int], sizes: list[int]) -> Tally:
    return rule.cast(
        np.array([similarities]), np.array([classes]), class_sizes=np.array(sizes, np.float64)
    )


def test_majority__most_neighbours_win() -> None:
    """One neighbour, one vote: two of four are half of the vote."""
    votes = _cast(MAJORITY, [0.9, 0.8, 0.7, 0.6], [0, 1, 1, 2], [5, 5, 5])
    assert votes.shares.tolist() == [[0.25, 0.5, 0.25]]
    assert votes.ranking().tolist() == [[1, 0, 2]]


def test_majority__tie_goes_to_the_larger_summed_similarity() -> None:
    """Two votes each: 0.9 + 0.1 loses against 0.6 + 0.5, though it holds the nearest."""
    votes = _cast(MAJORITY, [0.9, 0.6, 0.5, 0.1], [0, 1, 1, 0], [5, 5])
    assert votes.shares.tolist() == [[0.5, 0.5]]
    assert votes.ranking().tolist() == [[1, 0]]


def test_weighted__is_meta_s_softmax() -> None:
    """Weights are exp(similarity / T) over their sum."""
    similarities = [0.9, 0.8, 0.7, 0.6]
    votes = _cast(WEIGHTED, similarities, [0, 1, 1, 2], [5, 5, 5])
    expected = np.exp(np.array(similarities) / 0.07)
    expected /= expected.sum()
    assert votes.weights[0] == pytest.approx(expected)
    assert votes.shares[0] == pytest.approx([expected[0], expected[1] + expected[2], expected[3]])


def test_weighted__cold_is_the_nearest_alone() -> None:
    """A tiny temperature neither overflows nor divides by zero: the nearest takes all."""
    votes = _cast(VoteRule(temperature=1e-6), [0.9, 0.8], [1, 0], [5, 5])
    assert votes.weights.tolist() == [[1.0, 0.0]]


def test_weighted__one_near_neighbour_outvotes_three_far_ones() -> None:
    """Where the majority errs, the weighted vote does not."""
    similarities, classes, sizes = [0.95, 0.5, 0.5, 0.5], [0, 1, 1, 1], [5, 5]
    assert _cast(MAJORITY, similarities, classes, sizes).ranking()[0, 0] == 1
    assert _cast(WEIGHTED, similarities, classes, sizes).ranking()[0, 0] == 0


@pytest.mark.parametrize(
    "rule", [MAJORITY, WEIGHTED, VoteRule(temperature=0.07, class_cap=1, balance=1.0)]
)
def test_missing_neighbours__do_not_vote(rule: VoteRule) -> None:
    """Places with class -1 weigh nothing, whatever stands in their similarity."""
    votes = rule.cast(
        np.array([[0.5, 0.5, 9.0], [9.0, 9.0, 9.0]]),
        np.array([[0, 1, -1], [-1, -1, -1]]),
        class_sizes=np.array([3.0, 3.0]),
    )
    assert votes.shares.tolist() == [[0.5, 0.5], [0.0, 0.0]]
    assert votes.support.tolist() == [[0.5, 0.5], [0.0, 0.0]]


def test_class_cap__the_nearest_of_each_class_vote() -> None:
    """With a cap of 2, the third and fourth neighbour of a class count nothing."""
    capped = VoteRule(weighting=Weighting.EQUAL, class_cap=2)
    votes = _cast(capped, [0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 1, 0, 0], [9, 9])
    assert votes.weights[0] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])
    assert votes.shares[0] == pytest.approx([2 / 3, 1 / 3])


def test_balance__a_class_of_a_hundredfold_size_does_not_drown_another() -> None:
    """Four of five neighbours are of the common class; by its size that is little evidence."""
    similarities, classes, sizes = [0.9, 0.9, 0.9, 0.9, 0.9], [0, 0, 0, 0, 1], [1000, 10]
    assert _cast(MAJORITY, similarities, classes, sizes).shares[0] == pytest.approx([0.8, 0.2])
    balanced = _cast(VoteRule(weighting=Weighting.EQUAL, balance=1.0), similarities, classes, sizes)
    assert balanced.shares[0] == pytest.approx([0.004 / 0.104, 0.1 / 0.104])
    assert balanced.ranking()[0, 0] == 1


def _krige(vectors: list[list[float]], query: list[float], classes: list[int]) -> Tally:
    rows = np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    toward = rows @ (np.array(query) / np.linalg.norm(query))
    return VoteRule(weighting=Weighting.KRIGING).cast(
        toward[None],
        np.array([classes]),
        class_sizes=np.array([5.0, 5.0]),
        affinities=(rows @ rows.T)[None],
    )


def test_kriging__is_a_gaussian_process_on_the_neighbours() -> None:
    """With the mean taken out, the weights are those of scikit-learn's regressor."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    rng = np.random.default_rng(1)
    rows = rng.normal(size=(12, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[0] + 0.3 * rng.normal(size=4)
    query /= np.linalg.norm(query)
    votes = _krige(rows.tolist(), query.tolist(), [0] * 6 + [1] * 6)
    # exp(cosine - 1) is exp(-|a - b|^2 / 2): an RBF of length scale 1 on unit vectors.
    process = GaussianProcessRegressor(RBF(1.0), alpha=0.3, optimizer=None).fit(rows, np.eye(12))
    simple, level = process.predict(query[None])[0], process.fit(rows, np.ones(12)).alpha_.ravel()
    expected = simple + level * (1 - simple.sum()) / level.sum()
    assert votes.weights[0] == pytest.approx(expected)
    assert votes.sums[0] == pytest.approx([expected[:6].sum(), expected[6:].sum()])
    assert votes.sums[0].sum() == pytest.approx(1)


def test_kriging__twins_share_one_vote() -> None:
    """Nine copies of one picture weigh hardly more than one; for a plain vote they are nine."""
    twins, single = [[1.0, 0.0]] * 9, [[0.0, 1.0]]
    classes, query = [0] * 9 + [1], [1.0, 1.05]
    assert _krige(twins + single, query, classes).sums[0, 0] < 0.7
    similarities = [0.69] * 9 + [0.72]
    assert _cast(WEIGHTED, similarities, classes, [9, 1]).shares[0, 0] > 0.8


def test_kriging__missing_neighbours_change_nothing() -> None:
    """A place without a neighbour leaves the others' weights as they were."""
    rule = VoteRule(weighting=Weighting.KRIGING)
    affinities = np.array([[[1.0, 0.5, 9.0], [0.5, 1.0, 9.0], [9.0, 9.0, 9.0]]])
    with_gap = rule.cast(
        np.array([[0.9, 0.2, 9.0]]),
        np.array([[0, 1, -1]]),
        class_sizes=np.array([1.0, 1.0]),
        affinities=affinities,
    )
    without = rule.cast(
        np.array([[0.9, 0.2]]),
        np.array([[0, 1]]),
        class_sizes=np.array([1.0, 1.0]),
        affinities=affinities[:, :2, :2],
    )
    assert with_gap.weights[0] == pytest.approx([*without.weights[0], 0.0])


def test_kriging__evidence_against_is_no_share() -> None:
    """Where the query lies beyond one class as seen from another, the other loses its share."""
    near, behind = [[1.0, 0.0]] * 20, [[1.0, 0.6]] * 20
    votes = _krige(near + behind, [1.0, -0.8], [0] * 20 + [1] * 20)
    assert votes.sums[0, 1] < 0
    assert votes.shares[0].tolist() == [1.0, 0.0]


def test_vote_scores__are_logarithms_over_a_floor() -> None:
    """At temperature 1 a class gets (its vote + 0.05) over the sum of these, by hand."""
    chances = np.exp(vote_scores(np.array([[0.7, 0.3, 0.0]])))[0]
    assert chances / chances.sum() == pytest.approx([0.75 / 1.15, 0.35 / 1.15, 0.05 / 1.15])


def test_vote_scores__among_many_classes() -> None:
    """One temperature is sure of a clear winner among 60 classes and keeps a narrow one ahead."""
    narrow, clear = np.zeros(60), np.zeros(60)
    narrow[:4] = [0.4, 0.3, 0.2, 0.1]
    clear[0] = 1.0
    chances = np.exp(vote_scores(np.stack([narrow, clear])) * 2)
    first = chances[:, 0] / chances.sum(axis=1)
    assert first == pytest.approx([0.37, 0.88], abs=0.005)


def test_vote_scores__evidence_against_counts_as_none() -> None:
    """A class that was spoken against scores as one that nobody voted for, never NaN."""
    scores = vote_scores(np.array([[1.1, -0.1, 0.0]]))[0]
    assert scores[1] == scores[2] == pytest.approx(np.log(0.05))
    assert scores[0] > scores[2]


def test_voting__survives_json() -> None:
    """What is stored with a head is the same way of voting, whatever was asked for."""
    rule = VoteRule(weighting=Weighting.SOFTMAX, nugget=0.1, class_cap=3, balance=0.5, floor=0.01)
    for voting in (BY_METRIC, Voting(candidates=50, k=7, rule=rule)):
        assert Voting.from_json(json.loads(json.dumps(voting.to_json()))) == voting


def test_voting__of_heads_of_before_is_history() -> None:
    """Constants of today may change; what was calibrated for yesterday's stays calibrated."""
    assert BEFORE_IT_WAS_STORED.to_json() == {
        "candidates": 100,
        "k": 100,
        "rule": {
            "weighting": "kriging",
            "temperature": 0.07,
            "nugget": 0.3,
            "class_cap": None,
            "balance": 0.0,
            "floor": 0.05,
        },
    }


@pytest.mark.parametrize("weighting", list(Weighting))
def test_voting__ranks_candidates_before_they_vote(weighting: Weighting) -> None:
    """In any order, and with nobody in some places, the k nearest in that space vote."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(8, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query, places = rows[:1], rows[1:]
    classes = np.array([0, 1, -1, 1, 0, 2, 2])
    voting = Voting(candidates=7, k=3, rule=VoteRule(weighting=weighting))
    found = voting.cast(query, places[None], classes[None], class_sizes=np.ones(3))
    cosine = places @ query[0]
    nearest = [i for i in np.argsort(-cosine) if classes[i] >= 0][:3]
    expected = voting.rule.cast(
        cosine[nearest][None],
        classes[nearest][None],
        class_sizes=np.ones(3),
        affinities=(places[nearest] @ places[nearest].T)[None],
    )
    np.testing.assert_allclose(found.sums, expected.sums, rtol=1e-5)
