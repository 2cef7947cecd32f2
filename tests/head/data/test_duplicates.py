"""Near-duplicates join one group."""

from __future__ import annotations

import numpy as np
import pytest

from head.data import duplicates
from head.data.duplicates import join, join_near_duplicates, pairs_above
from tests.head.conftest import Clouds


def test_twins__join_one_group() -> None:
    """A second picture of the same specimen joins the first one's group; the others stay apart."""
    clouds = Clouds(32)
    vectors = clouds.of("ant", 10)
    twin = vectors[3] + 0.01 * vectors[4]
    vectors = np.vstack([vectors, twin / np.linalg.norm(twin)]).astype(np.float32)
    joined = join_near_duplicates(vectors, np.zeros(11, np.int64), np.arange(11))
    assert joined[10] == joined[3]
    assert len(set(joined)) == 10


def test_twins__joining_goes_through_whole_groups() -> None:
    """Groups that share a twin become one group."""
    vectors = Clouds(32).of("ant", 6)
    vectors[5] = vectors[0]
    groups = np.array([0, 0, 1, 2, 3, 3])
    joined = join_near_duplicates(vectors, np.zeros(6, np.int64), groups)
    assert joined[0] == joined[1] == joined[4] == joined[5]
    assert len(set(joined)) == 3


def test_twins__class_of_things_that_look_alike_stays_apart() -> None:
    """Where every pair of a class is above the threshold, that marks nobody as a twin."""
    vectors = Clouds(32, spread=0.02).of("cap", 20)
    assert (vectors @ vectors.T).min() > 0.95
    joined = join_near_duplicates(vectors, np.zeros(20, np.int64), np.arange(20))
    assert len(set(joined)) == 20


def test_twins__under_two_labels_are_left_alone() -> None:
    """The same vector in two classes is a conflict of labels, not a leak."""
    vectors = Clouds(32).of("ant", 10)
    vectors[9] = vectors[0]
    codes = np.repeat([0, 1], 5)
    assert len(set(join_near_duplicates(vectors, codes, np.arange(10)))) == 10


def test_pairs__a_chain_is_one_group() -> None:
    """Each is near the next, the ends are far apart: still one group."""
    angles = np.radians(np.arange(0, 90, 10))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    alone = np.arange(9)
    assert join(alone, pairs_above(vectors, 0.98)).tolist() == [0] * 9
    assert join(alone, pairs_above(vectors, 0.99)).tolist() == alone.tolist()


def test_pairs__groups_keep_their_order() -> None:
    """A joined group stands where its first part stood; the numbers have no gaps."""
    assert join(np.array([3, 1, 0, 2, 3]), np.array([[0], [1]])).tolist() == [1, 1, 0, 2, 1]


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_pairs__all_are_found(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of a block, the pairs are those that looking at each two finds."""
    monkeypatch.setattr(duplicates, "BLOCK_ROWS", block)
    vectors = Clouds(8).of("ant", 20)
    usual = float(np.mean(vectors @ vectors.T))
    found = {(int(a), int(b)) for a, b in pairs_above(vectors, usual).T}
    by_two = {(a, b) for b in range(20) for a in range(b) if vectors[a] @ vectors[b] > usual}
    assert found == by_two
    assert 0 < len(found) < 190


def test_twins__of_nothing() -> None:
    """No references have no groups."""
    nothing = np.empty(0, np.int64)
    assert join_near_duplicates(np.zeros((0, 3), np.float32), nothing, nothing).shape == (0,)
