"""Voting, on numbers that one can check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from holotype.votes import majority_weights, softmax_weights, tally

CLASSES = np.array([[0, 1, 1, 2]])
SIMILARITIES = np.array([[0.9, 0.8, 0.7, 0.6]])


def test_majority__most_neighbours_win() -> None:
    """One neighbour, one vote: two of four are half of the vote."""
    votes = tally(majority_weights(CLASSES), SIMILARITIES, CLASSES, n_classes=3)
    assert votes.shares.tolist() == [[0.25, 0.5, 0.25]]
    assert votes.ranking().tolist() == [[1, 0, 2]]


def test_majority__tie_goes_to_the_larger_summed_similarity() -> None:
    """Two votes each: 0.9 + 0.1 loses against 0.6 + 0.5, though it holds the nearest."""
    classes = np.array([[0, 1, 1, 0]])
    similarities = np.array([[0.9, 0.6, 0.5, 0.1]])
    votes = tally(majority_weights(classes), similarities, classes, n_classes=2)
    assert votes.shares.tolist() == [[0.5, 0.5]]
    assert votes.ranking().tolist() == [[1, 0]]


def test_softmax__is_meta_s_weighting() -> None:
    """Weights are exp(similarity / T) over their sum."""
    weights = softmax_weights(SIMILARITIES, CLASSES, temperature=0.07)
    expected = np.exp(SIMILARITIES / 0.07)
    assert weights == pytest.approx(expected / expected.sum())


def test_softmax__cold_is_the_nearest_alone() -> None:
    """A tiny temperature neither overflows nor divides by zero: the nearest takes all."""
    weights = softmax_weights(SIMILARITIES, CLASSES, temperature=1e-6)
    assert weights.tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_softmax__one_near_neighbour_outvotes_three_far_ones() -> None:
    """Where the majority errs, the weighted vote does not."""
    classes = np.array([[0, 1, 1, 1]])
    similarities = np.array([[0.95, 0.5, 0.5, 0.5]])
    weights = softmax_weights(similarities, classes, temperature=0.07)
    assert tally(weights, similarities, classes, n_classes=2).ranking()[0, 0] == 0


@pytest.mark.parametrize("weighted", [True, False])
def test_missing_neighbours__do_not_vote(weighted: bool) -> None:
    """Places with class -1 weigh nothing, whatever stands in their similarity."""
    classes = np.array([[0, 1, -1], [-1, -1, -1]])
    similarities = np.array([[0.5, 0.5, 9.0], [9.0, 9.0, 9.0]])
    weights = (
        softmax_weights(similarities, classes, temperature=0.07)
        if weighted
        else majority_weights(classes)
    )
    votes = tally(weights, similarities, classes, n_classes=2)
    assert votes.shares.tolist() == [[0.5, 0.5], [0.0, 0.0]]
    assert votes.support.tolist() == [[0.5, 0.5], [0.0, 0.0]]
