"""References in memory: nearest ones and votes, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from holotype import knn
from holotype.knn import Knn, Nearest, nearest
from holotype.references import Codes, Vectors
from holotype.votes import VoteRule, Voting, Weighting


def _unit(rows: np.ndarray) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _others(vectors: Vectors, groups: Codes, *, r: int) -> Nearest:
    return nearest(vectors, vectors, r=r, groups=(groups, groups))


@pytest.fixture
def vectors() -> Vectors:
    """Forty random directions in 16 dimensions."""
    return _unit(np.random.default_rng(7).normal(size=(40, 16)))


def test_nearest__agrees_with_brute_force(vectors: Vectors) -> None:
    """One reference at a time, sorted by hand, gives the same rows and similarities."""
    groups = np.array([i % 9 if i % 4 else 100 + i for i in range(40)])
    found = _others(vectors, groups, r=6)
    for i in range(40):
        others = [j for j in range(40) if groups[j] != groups[i]]
        others.sort(key=lambda j: -float(vectors[i] @ vectors[j]))
        assert found.rows[i].tolist() == others[:6]
        assert found.similarities[i] == pytest.approx([vectors[i] @ vectors[j] for j in others[:6]])


def test_nearest__blocks_change_nothing(vectors: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows at a time find what one block finds."""
    groups = np.arange(40)
    whole = _others(vectors, groups, r=5)
    monkeypatch.setattr(knn, "SIMILARITIES", 3 * 40)
    assert (_others(vectors, groups, r=5).rows == whole.rows).all()


def test_nearest__more_than_there_are() -> None:
    """Asking for more than exist gives what exists; a lone reference has none."""
    vectors = _unit(np.array([[1, 0], [1, 1], [0, 1]]))
    assert _others(vectors, np.arange(3), r=50).rows.shape == (3, 3)
    assert _others(vectors[:1], np.arange(1), r=5).rows.shape == (1, 1)
    alone = _others(vectors, np.zeros(3, np.int64), r=2)
    assert (alone.rows == -1).all()
    assert np.isneginf(alone.similarities).all()


def test_nearest__of_nothing(vectors: Vectors) -> None:
    """Without references nothing is near."""
    assert nearest(vectors, vectors[:0], r=3).rows.shape == (40, 0)


@pytest.mark.parametrize("weighting", list(Weighting))
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("block", [1, 10**6])
def test_knn__votes_as_one_query_at_a_time_does(
    vectors: Vectors,
    weighting: Weighting,
    again: bool,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Candidates by cosine, ranked again or not, without the own group: the k nearest vote."""
    monkeypatch.setattr(knn, "SIMILARITIES", block)
    monkeypatch.setattr(knn, "GATHERED", block)
    rng = np.random.default_rng(2)
    placed = _unit(rng.normal(size=(40, 5))) if again else None
    classes, groups = rng.integers(0, 3, 40), np.arange(40) // 2
    voting = Voting(candidates=9, k=4, rule=VoteRule(weighting=weighting))
    voters = Knn(
        vectors=vectors, classes=classes, n_classes=3, voting=voting, placed=placed, groups=groups
    )
    tallies = list(voters.tallies(vectors, placed=placed, groups=groups))
    sums = np.concatenate([tally.sums for tally in tallies])
    space = vectors if placed is None else placed
    for i in range(40):
        others = np.flatnonzero(groups != groups[i])
        candidates = others[np.argsort(-(vectors[others] @ vectors[i]))[:9]]
        chosen = candidates[np.argsort(-(space[candidates] @ space[i]))[:4]]
        expected = voting.rule.cast(
            (space[chosen] @ space[i])[None],
            classes[chosen][None],
            class_sizes=np.bincount(classes).astype(float),
            affinities=(space[chosen] @ space[chosen].T)[None],
        )
        np.testing.assert_allclose(sums[i], expected.sums[0], atol=1e-5)


@pytest.mark.parametrize("weighting", [Weighting.EQUAL, Weighting.SOFTMAX])
def test_knn__agrees_with_scikit_learn(vectors: Vectors, weighting: Weighting) -> None:
    """Neighbours, their cosines, and every class's share of a vote by similarity."""
    queries = _unit(np.random.default_rng(8).normal(size=(25, 16)))
    classes = np.random.default_rng(9).integers(0, 3, 40)
    rule = VoteRule(weighting=weighting)
    voting = Voting(candidates=7, k=7, rule=rule)
    voters = Knn(vectors=vectors, classes=classes, n_classes=3, voting=voting)
    theirs = KNeighborsClassifier(
        n_neighbors=7,
        metric="cosine",
        weights="uniform"
        if weighting is Weighting.EQUAL
        else lambda distances: np.exp((1 - distances) / rule.temperature),
    ).fit(vectors, classes)
    distances, rows = theirs.kneighbors(queries)
    found = nearest(queries, vectors, r=7)
    assert (found.rows == rows).all()
    np.testing.assert_allclose(found.similarities, 1 - distances, atol=1e-6)
    shares = np.concatenate([tally.shares for tally in voters.tallies(queries)])
    np.testing.assert_allclose(shares, theirs.predict_proba(queries), atol=1e-5)
