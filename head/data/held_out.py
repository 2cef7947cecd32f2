"""What a head predicted, out of fold, for references it was later trained on.

Kept with the head, so that a later one can be compared with it honestly: the head itself
has seen its references and would flatter itself on them. A reference is named by its mark
(48 bits of its id); the ones with the smallest marks are kept, so that two heads of about the
same gallery keep about the same references.

Stored as a block of D + 1 columns: the number R of divisions into folds, then 4 + R numbers a
reference (three 16-bit parts of the mark, its own label's row, and the row of the label that was
predicted in each division), one after the other, the rest of the last row being -1. float32 holds
each of them exactly. Heads of before kept four numbers a reference: parts, and one prediction.

Shapes: M references, R divisions into folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from holotype.references import Codes, Vectors

KEPT_AT_MOST = 20_000
BITS = 16
PARTS = 3
"""Of a mark."""

SHIFTS = BITS * np.arange(PARTS)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Out-of-fold predictions by mark."""

    marks: Codes
    """(M,) ascending."""
    predicted: Codes
    """(M, R) index into the head's labels."""
    codes: Codes | None
    """(M,) the reference's own label then; None in heads that did not note it."""

    @classmethod
    def of(cls, marks: Codes, predicted: Codes, codes: Codes) -> HeldOut:
        """Keep the `KEPT_AT_MOST` smallest marks."""
        order = np.argsort(marks, kind="stable")[:KEPT_AT_MOST]
        return cls(marks=marks[order], predicted=predicted[order], codes=codes[order])

    def to_block(self, columns: int) -> Vectors:
        """(rows, columns) float32.

        Raises:
            ValueError: it came from a head that did not note the labels.
        """
        if self.codes is None:
            raise ValueError("these predictions are of a former head: they are not stored again")
        parts = (self.marks[:, None] >> SHIFTS) & (2**BITS - 1)
        records = np.column_stack([parts, self.codes, self.predicted])
        numbers = np.concatenate([[self.predicted.shape[1]], records.ravel()])
        rows = -(-len(numbers) // columns)
        block = np.full(rows * columns, -1.0, dtype=np.float32)
        block[: len(numbers)] = numbers
        return block.reshape(rows, columns)

    @classmethod
    def from_block(cls, block: Vectors) -> HeldOut:
        """Inverse of `to_block`."""
        numbers = _numbers(block)
        records = numbers[1:].reshape(-1, PARTS + 1 + int(numbers[0]))
        own, predicted = records[:, PARTS], records[:, PARTS + 1 :]
        return cls(marks=_marks(records), predicted=predicted, codes=own)

    @classmethod
    def from_former_block(cls, block: Vectors) -> HeldOut:
        """From a head of before: one division, and labels that nobody noted."""
        records = _numbers(block).reshape(-1, PARTS + 1)
        return cls(marks=_marks(records), predicted=records[:, PARTS:], codes=None)


def _numbers(block: Vectors) -> Codes:
    numbers = block.ravel().astype(np.int64)
    return numbers[: int(np.count_nonzero(numbers >= 0))]


def _marks(records: Codes) -> Codes:
    marks: Codes = (records[:, :PARTS] << SHIFTS).sum(axis=1)
    return marks
