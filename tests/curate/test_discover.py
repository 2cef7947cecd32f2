"""Which pictures belong together, compared with brute force on small galleries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest

from curate import discover as module
from curate.discover import Directions, class_means, discover, group_id, rehearsed
from curate.known import Known
from head.data.training_set import TrainingSet
from holotype.errors import TooFewReferences
from holotype.references import Codes, Vectors

D = 24


@dataclass(frozen=True)
class World:
    """Classes about random centres; the first few have references."""

    centres: Vectors
    spread: float = 0.55

    def pictures(self, codes: Codes, seed: int) -> Vectors:
        """(N, D) unit rows of these classes."""
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(len(codes), D)) * np.linspace(1.6, 0.3, D)
        return _unit(self.centres[codes] + self.spread * noise / np.sqrt(D))

    def known(self, n_classes: int = 6, each: int = 20) -> Known:
        """Learned from references of the first classes."""
        codes = np.repeat(np.arange(n_classes), each)
        return Known.of(training_of(self.pictures(codes, seed=1), codes))


@pytest.fixture(scope="module")
def world() -> World:
    """Ten classes."""
    return World(_unit(np.random.default_rng(0).normal(size=(10, D))))


def _unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def training_of(vectors: Vectors, codes: Codes) -> TrainingSet:
    """Independent references."""
    n = np.arange(len(codes))
    labels = tuple(f"class {code}" for code in range(int(codes.max()) + 1))
    return TrainingSet(labels, vectors, codes.astype(np.int64), n, n)


def names(n: int) -> list[str]:
    """Ids in order."""
    return [f"{i:05}" for i in range(n)]


def average_linkage(placed: Vectors, cut: float) -> set[frozenset[int]]:
    """By its definition: the two nearest groups become one while they are near enough."""
    distances = 1 - placed.astype(np.float64) @ placed.T.astype(np.float64)
    groups = [[row] for row in range(len(placed))]
    while len(groups) > 1:
        (a, b), nearest = min(
            (
                ((a, b), distances[np.ix_(groups[a], groups[b])].mean())
                for a, b in combinations(range(len(groups)), 2)
            ),
            key=lambda found: found[1],
        )
        if nearest > cut:
            break
        groups[a] += groups.pop(b)
    return {frozenset(group) for group in groups}


def test_discover__finds_the_classes_that_have_no_references(world: World) -> None:
    """Each is a group of its own, strangest first; pictures of known classes are no new group."""
    codes = np.repeat([0, 1, 2, 7, 8], 12)
    found = discover(world.known(), names(60), world.pictures(codes, seed=2))
    assert [set(codes[group.rows].tolist()) for group in found.new] in ([{7}, {8}], [{8}, {7}])
    assert all(len(group.rows) >= 11 for group in found.new)
    strangeness = [group.stranger_than for group in found.groups]
    assert strangeness == sorted(strangeness, reverse=True)
    nearest = {group.nearest for group in found.groups if not group.is_new}
    assert nearest == {"class 0", "class 1", "class 2"}
    every = np.concatenate([found.rest, *(group.rows for group in found.groups)])
    assert sorted(every.tolist()) == list(range(60))


def test_discover__is_average_linkage_cut_where_the_classes_say(world: World) -> None:
    """Groups, and what is said of them, by their definitions."""
    known, vectors = world.known(), world.pictures(np.repeat([0, 3, 7, 8], 8), seed=3)
    found = discover(known, names(32), vectors, min_size=2)
    inside, outside = rehearsed(known)
    assert found.cut == pytest.approx(np.median(inside) ** 0.3 * np.median(outside) ** 0.7)
    references, pictures = known.whitened(), known.metric.whiten(vectors)
    directions = Directions.of(np.concatenate([references, pictures]))
    placed, theirs = directions.place(pictures), directions.place(references)
    expected = {group for group in average_linkage(placed, found.cut) if len(group) > 1}
    assert {frozenset(group.rows.tolist()) for group in found.groups} == expected
    for group in found.groups:
        mine = placed[group.rows].astype(np.float64)
        pairs = [float(a @ b) for a, b in combinations(mine, 2)]
        assert group.cohesion == pytest.approx(np.mean(pairs))
        to_class = [
            1 - (mine @ theirs[known.search.codes == code].T.astype(float)).mean()
            for code in range(6)
        ]
        assert group.distance == pytest.approx(min(to_class), abs=1e-5)
        assert group.nearest == f"class {int(np.argmin(to_class))}"
        assert int(group.rows[0]) == max(
            group.rows.tolist(), key=lambda row: float(placed[row] @ mine.mean(axis=0))
        )
        shares = known.stranger_than(vectors[group.rows])
        assert group.stranger_than == pytest.approx(shares.mean())
        probable = known.probabilities(vectors[group.rows])[:, known.labels.index(group.nearest)]
        assert group.probability == pytest.approx(probable.mean())


def test_rehearsed__leaves_each_class_out_of_the_metric(world: World) -> None:
    """Mean distances inside it and to its nearest other, by all pairs."""
    known = world.known(n_classes=3, each=9)
    codes = known.search.codes
    expected = []
    for code in np.random.default_rng(0).permutation(3):
        metric = known.without([code])
        assert metric is not None
        whitened = known.whitened(metric)
        placed = Directions.of(whitened).place(whitened).astype(np.float64)
        mine = placed[codes == code]
        inside = np.mean([1 - a @ b for a, b in combinations(mine, 2)])
        others = [c for c in range(3) if c != code]
        expected.append((inside, min((1 - mine @ placed[codes == c].T).mean() for c in others)))
    np.testing.assert_allclose(np.transpose(rehearsed(known)), expected, atol=1e-5)


def test_group_id__follows_from_the_members_alone() -> None:
    """Their order does not count, each of them does."""
    assert group_id(["a", "b", "c"]) == group_id(["c", "a", "b"])
    assert len({group_id(ids) for ids in (["a"], ["a", "b"], ["ab"], ["b"])}) == 4


def test_discover__more_pictures_than_are_linked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The strangest are linked; the others join the group they are near to, or stay alone."""
    codes = np.repeat([7, 8, 0], 12)
    vectors = world.pictures(codes, seed=2)
    monkeypatch.setattr(module, "LINKED", 16)
    found = discover(world.known(), names(36), vectors)
    assert {frozenset(codes[group.rows].tolist()) for group in found.new} == {
        frozenset({7}),
        frozenset({8}),
    }
    assert sum(len(group.rows) for group in found.new) > 16


def test_discover__everything_is_known(world: World) -> None:
    """No group is new."""
    codes = np.repeat([0, 1, 2], 15)
    found = discover(world.known(), names(45), world.pictures(codes, seed=4))
    assert not found.new
    assert len(found.groups) == 3


def test_discover__all_the_same_picture(world: World) -> None:
    """One group, whose members are as alike as can be."""
    one = world.pictures(np.array([8]), seed=5)
    found = discover(world.known(), names(9), np.repeat(one, 9, axis=0))
    assert [(len(group.rows), group.is_new) for group in found.groups] == [(9, True)]
    assert found.groups[0].cohesion == pytest.approx(1, abs=1e-5)


def test_discover__one_class(world: World) -> None:
    """There is nothing to be more probable than, and still a cut."""
    found = discover(
        world.known(n_classes=1, each=30), names(24), world.pictures(np.repeat([7, 8], 12), seed=2)
    )
    assert found.cut == module.OTHERWISE
    assert {group.probability for group in found.groups} == {None}


def test_known__references_that_do_not_differ(world: World) -> None:
    """One reference of each class says nothing of how a class spreads."""
    codes = np.arange(4)
    with pytest.raises(TooFewReferences, match="no class has two that do"):
        Known.of(training_of(world.pictures(codes, seed=1), codes))


def test_known__probabilities_are_right_as_often_as_they_say(world: World) -> None:
    """And pictures of classes without references are stranger than those of known ones."""
    known, codes = world.known(each=30), np.repeat(np.arange(6), 60)
    probabilities = known.probabilities(world.pictures(codes, seed=6))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    right = (probabilities.argmax(axis=1) == codes).mean()
    assert probabilities.max(axis=1).mean() == pytest.approx(right, abs=0.05)
    usual = known.stranger_than(world.pictures(codes, seed=6)).mean()
    strange = known.stranger_than(world.pictures(np.repeat([7, 8], 60), seed=7)).mean()
    assert usual < module.STRANGE < 0.8 < strange


def test_class_means__of_classes_without_references() -> None:
    """Zero, and no warning."""
    placed = np.eye(3, dtype=np.float32)
    means = class_means(placed, np.array([0, 0, 2]), 4)
    np.testing.assert_allclose(means[0], [0.5, 0.5, 0])
    assert not means[1].any()
    assert not means[3].any()
