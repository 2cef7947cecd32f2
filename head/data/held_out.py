"""What a head predicted, out of fold, for references it was later trained on.

Kept with the head, so that a later one can be compared with it honestly: the head itself
has seen its references and would flatter itself on them. A reference is named by its mark
(48 bits of its id); the ones with the smallest marks are kept, so that two heads of about the
same gallery keep about the same references.

Stored as a block of D + 1 columns: four numbers a reference (three 16-bit parts of the mark,
and the predicted label's row), one after the other, the rest of the last row being -1.
float32 holds each of them exactly.

Shapes: M references.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from holotype.references import Codes, Vectors

KEPT_AT_MOST = 20_000
BITS = 16
PARTS = 3
"""Of a mark."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Out-of-fold predictions by mark."""

    marks: Codes
    """(M,) ascending."""
    predicted: Codes
    """(M,) index into the head's labels."""

    @classmethod
    def of(cls, marks: Codes, predicted: Codes) -> HeldOut:
        """Keep the `KEPT_AT_MOST` smallest marks."""
        order = np.argsort(marks, kind="stable")[:KEPT_AT_MOST]
        return cls(marks=marks[order], predicted=predicted[order])

    def to_block(self, columns: int) -> Vectors:
        """(rows, columns) float32."""
        shifts = BITS * np.arange(PARTS)
        parts = (self.marks[:, None] >> shifts) & (2**BITS - 1)
        numbers = np.column_stack([parts, self.predicted]).ravel()
        rows = -(-len(numbers) // columns)
        block = np.full(rows * columns, -1.0, dtype=np.float32)
        block[: len(numbers)] = numbers
        return block.reshape(rows, columns)

    @classmethod
    def from_block(cls, block: Vectors) -> HeldOut:
        """Inverse of `to_block`."""
        numbers = block.ravel().astype(np.int64)
        records = numbers[: int(np.count_nonzero(numbers >= 0))].reshape(-1, PARTS + 1)
        shifts = BITS * np.arange(PARTS)
        return cls(marks=(records[:, :PARTS] << shifts).sum(axis=1), predicted=records[:, PARTS])
