"""Every reference's nearest others, from exported vectors alone: no image, no search engine.

What does not count as another: the reference itself, its group, and near-duplicates.
Evaluation and calibration share it.

Shapes: N references, D dimensions, R neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holotype.independence import NEAR_DUPLICATE, GroupCodes, row_blocks
from holotype.references import Vectors


@dataclass(frozen=True, slots=True)
class Others:
    """The nearest others of some references, nearest first."""

    rows: npt.NDArray[np.intp]
    """(N, R) rows into the vectors; -1 in the places that are left over."""
    similarities: npt.NDArray[np.float32]
    """(N, R) cosine in [-1, 1]; -inf where the row is -1."""


def nearest_others(
    vectors: Vectors,
    groups: GroupCodes,
    *,
    r: int,
    near_duplicate: float = NEAR_DUPLICATE,
) -> Others:
    """The `r` nearest others of every reference, exactly, a block of rows at a time.

    Args:
        vectors: (N, D) unit rows.
        groups: (N,) from `holotype.independence.group_codes`.
        r: how many; fewer where there are fewer.
        near_duplicate: others with a cosine above this are left out; 1 leaves out none.
    """
    n = len(vectors)
    r = min(r, max(n - 1, 0))
    rows = np.full((n, r), -1, dtype=np.intp)
    similarities = np.full((n, r), -np.inf, dtype=np.float32)
    for block in row_blocks(n) if r else ():
        cosine = vectors[block] @ vectors.T
        barred = groups[block, None] == groups[None, :]
        if near_duplicate < 1:
            barred |= cosine > near_duplicate
        cosine[barred] = -np.inf
        best = np.argpartition(-cosine, r - 1, axis=1)[:, :r]
        found = np.take_along_axis(cosine, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        similarities[block] = np.take_along_axis(found, order, axis=1)
        rows[block] = np.take_along_axis(best, order, axis=1)
    rows[np.isneginf(similarities)] = -1
    return Others(rows, similarities)
