"""Out-of-fold predictions kept with a head."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from head.data import held_out
from head.data.held_out import HeldOut


@given(
    st.lists(st.integers(0, 2**48 - 1), max_size=40, unique=True),
    st.integers(1, 5),
    st.integers(2, 50),
)
def test_held_out__survives_the_block(marks: list[int], divisions: int, columns: int) -> None:
    """Marks, labels and predictions come back exactly from float32 rows of any width."""
    codes = np.arange(len(marks)) * 1009
    predicted = codes[:, None] + np.arange(divisions)
    kept = HeldOut.of(np.array(marks, dtype=np.int64), predicted, codes)
    block = kept.to_block(columns)
    assert block.dtype == np.float32
    assert block.shape[1] == columns
    back = HeldOut.from_block(block)
    assert back.codes is not None
    assert back.marks.tolist() == sorted(marks)
    assert back.predicted.shape == (len(marks), divisions)
    found = zip(back.marks.tolist(), back.codes.tolist(), back.predicted.tolist(), strict=True)
    given = zip(marks, codes.tolist(), predicted.tolist(), strict=True)
    assert {mark: rest for mark, *rest in found} == {mark: rest for mark, *rest in given}


def test_held_out__that_a_former_head_kept_is_read() -> None:
    """Four numbers a reference: three parts of the mark and one prediction, no label."""
    block = np.array([[7, 0, 1, 3, 9], [0, 0, 2, -1, -1]], np.float32)
    kept = HeldOut.from_former_block(block)
    assert kept.marks.tolist() == [7 + 2**32, 9]
    assert kept.predicted.tolist() == [[3], [2]]
    assert kept.codes is None


def test_held_out__keeps_the_smallest_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two heads of about the same gallery keep about the same references."""
    monkeypatch.setattr(held_out, "KEPT_AT_MOST", 3)
    predicted = np.array([[5], [1], [4], [3], [2]])
    kept = HeldOut.of(np.array([50, 10, 40, 30, 20]), predicted, np.arange(5))
    assert kept.codes is not None
    assert kept.marks.tolist() == [10, 20, 30]
    assert kept.predicted.tolist() == [[1], [2], [3]]
    assert kept.codes.tolist() == [1, 4, 3]
