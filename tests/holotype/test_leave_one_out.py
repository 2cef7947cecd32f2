"""Nearest others, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from holotype import independence
from holotype.independence import group_codes
from holotype.leave_one_out import nearest_others
from holotype.references import Vectors


def _unit(rows: np.ndarray) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors() -> Vectors:
    """Forty random directions in 16 dimensions."""
    return _unit(np.random.default_rng(7).normal(size=(40, 16)))


def test_nearest_others__agrees_with_brute_force(vectors: Vectors) -> None:
    """One reference at a time, sorted by hand, gives the same rows and similarities."""
    groups = group_codes([f"g{i % 9}" if i % 4 else None for i in range(40)])
    found = nearest_others(vectors, groups, r=6)
    for i in range(40):
        others = [j for j in range(40) if groups[j] != groups[i]]
        others.sort(key=lambda j: -float(vectors[i] @ vectors[j]))
        assert found.rows[i].tolist() == others[:6]
        assert found.similarities[i] == pytest.approx([vectors[i] @ vectors[j] for j in others[:6]])


def test_nearest_others__blocks_change_nothing(
    vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rows at a time find what one block finds."""
    groups = group_codes([None] * 40)
    whole = nearest_others(vectors, groups, r=5)
    monkeypatch.setattr(independence, "BLOCK_ELEMENTS", 3 * 40)
    assert (nearest_others(vectors, groups, r=5).rows == whole.rows).all()


def test_nearest_others__near_duplicates_do_not_count() -> None:
    """A copy of a picture under another name is not evidence for it."""
    vectors = _unit(np.array([[1, 0], [1, 1e-4], [1, 1]]))
    groups = group_codes([None] * 3)
    assert nearest_others(vectors, groups, r=2).rows[0].tolist() == [2, -1]
    assert nearest_others(vectors, groups, r=2, near_duplicate=1).rows[0].tolist() == [1, 2]


def test_nearest_others__more_than_there_are() -> None:
    """Asking for more than exist gives what exists; a lone reference has none."""
    vectors = _unit(np.array([[1, 0], [1, 1], [0, 1]]))
    assert nearest_others(vectors, group_codes([None] * 3), r=50).rows.shape == (3, 2)
    assert nearest_others(vectors[:1], group_codes([None]), r=5).rows.shape == (1, 0)
    alone = nearest_others(vectors, group_codes(["a", "a", "a"]), r=2)
    assert (alone.rows == -1).all()
    assert np.isneginf(alone.similarities).all()
