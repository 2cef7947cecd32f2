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
    st.integers(2, 50),
)
def test_held_out__survives_the_block(marks: list[int], columns: int) -> None:
    """Marks and predictions of any number come back exactly from float32 rows of any width."""
    predicted = np.arange(len(marks)) * 1009
    kept = HeldOut.of(np.array(marks, dtype=np.int64), predicted)
    block = kept.to_block(columns)
    assert block.dtype == np.float32
    assert block.shape[1] == columns
    back = HeldOut.from_block(block)
    assert back.marks.tolist() == sorted(marks)
    assert dict(zip(back.marks, back.predicted, strict=True)) == dict(
        zip(marks, predicted, strict=True)
    )


def test_held_out__keeps_the_smallest_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two heads of about the same gallery keep about the same references."""
    monkeypatch.setattr(held_out, "KEPT_AT_MOST", 3)
    kept = HeldOut.of(np.array([50, 10, 40, 30, 20]), np.array([5, 1, 4, 3, 2]))
    assert kept.marks.tolist() == [10, 20, 30]
    assert kept.predicted.tolist() == [1, 2, 3]
