"""Every reference's nearest others, from exported vectors alone: no image, no search engine.

What may not count as another: the reference itself, its group, and near-duplicates (the
same specimen under another file name), which would make any leave-one-out figure flatter.
Evaluation and calibration share it.

Shapes: N references, D dimensions, R neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holotype.references import Vectors

NEAR_DUPLICATE = 0.95
"""Cosine above which two references are taken for pictures of the same thing.

Chosen by looking at pairs: above it, pairs of pollen grains are one grain at another focus, and
pairs of plankton cannot be told apart by eye; photos of clothing have none (`docs/LAB.md`).
"""

BLOCK_ELEMENTS = 32 * 1024 * 1024
"""Similarities held at a time (float32: 128 MiB)."""


@dataclass(frozen=True, slots=True)
class Others:
    """The nearest others of some references, nearest first."""

    rows: npt.NDArray[np.intp]
    """(N, R) rows into the vectors; -1 in the places that are left over."""
    similarities: npt.NDArray[np.float32]
    """(N, R) cosine in [-1, 1]; -inf where the row is -1."""


def group_codes(groups: Sequence[str | None]) -> npt.NDArray[np.intp]:
    """(N,) the same number for the same group; a reference without one is a group of its own."""
    seen: dict[str, int] = {}
    return np.array(
        [
            len(groups) + i if group is None else seen.setdefault(group, len(seen))
            for i, group in enumerate(groups)
        ],
        dtype=np.intp,
    )


def nearest_others(
    vectors: Vectors,
    groups: npt.NDArray[np.intp],
    *,
    r: int,
    near_duplicate: float = NEAR_DUPLICATE,
) -> Others:
    """The `r` nearest others of every reference, exactly, a block of rows at a time.

    Args:
        vectors: (N, D) unit rows.
        groups: (N,) from `group_codes`.
        r: how many; fewer where there are fewer.
        near_duplicate: others with a cosine above this are left out; 1 leaves out none.
    """
    n = len(vectors)
    r = min(r, max(n - 1, 0))
    rows = np.full((n, r), -1, dtype=np.intp)
    similarities = np.full((n, r), -np.inf, dtype=np.float32)
    for block in _blocks(n) if r else ():
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


def _blocks(n: int) -> Iterator[slice]:
    size = max(1, BLOCK_ELEMENTS // max(n, 1))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
