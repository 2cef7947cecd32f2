"""Which references count as independent."""

from __future__ import annotations

import numpy as np
import pytest

from holotype import independence
from holotype.independence import group_codes, independent_groups


def test_group_codes__no_group_is_a_group_of_its_own() -> None:
    """Two references without a group are independent of each other."""
    codes = group_codes(["a", None, "a", None])
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 3


@pytest.mark.parametrize("block_elements", [1, 10_000])
def test_independent_groups__near_duplicates_join_groups(
    block_elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 and 1 are near, 1 and 2 share a group, 3 stands alone: whatever the block size."""
    monkeypatch.setattr(independence, "BLOCK_ELEMENTS", block_elements)
    angles = np.radians([0, 5, 80, 160])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    joined = independent_groups(vectors, group_codes(["a", "b", "b", None]))
    assert joined[0] == joined[1] == joined[2] != joined[3]


def test_independent_groups__a_chain_is_one_group() -> None:
    """Each is near the next, the ends are far apart: still one group."""
    angles = np.radians(np.arange(0, 90, 10))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    joined = independent_groups(vectors, group_codes([None] * 9), near_duplicate=0.98)
    assert len(set(joined.tolist())) == 1
    apart = independent_groups(vectors, group_codes([None] * 9), near_duplicate=0.99)
    assert len(set(apart.tolist())) == 9


def test_independent_groups__of_nothing() -> None:
    """An empty gallery has no groups."""
    assert independent_groups(np.zeros((0, 3), np.float32), group_codes([])).shape == (0,)
