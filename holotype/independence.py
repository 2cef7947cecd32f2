"""Which references are independent of each other: groups, and near-duplicates found by cosine.

Whatever is measured on references (leave-one-out, calibration, a learning curve) flatters
itself if a picture's own twin is among those that it is compared with.

Shapes: N references, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from holotype.references import Vectors

GroupCodes = npt.NDArray[np.intp]

NEAR_DUPLICATE = 0.95
"""Cosine above which two references are taken for pictures of the same thing.

Chosen by looking at pairs: above it, pairs of pollen grains are one grain at another focus, and
pairs of plankton cannot be told apart by eye; photos of clothing have none (`docs/LAB.md`).
"""

BLOCK_ELEMENTS = 32 * 1024 * 1024
"""Similarities held at a time (float32: 128 MiB)."""


def group_codes(groups: Sequence[str | None]) -> GroupCodes:
    """(N,) the same number for the same group; a reference without one is a group of its own."""
    seen: dict[str, int] = {}
    return np.array(
        [
            len(groups) + i if group is None else seen.setdefault(group, len(seen))
            for i, group in enumerate(groups)
        ],
        dtype=np.intp,
    )


def independent_groups(
    vectors: Vectors, groups: GroupCodes, *, near_duplicate: float = NEAR_DUPLICATE
) -> GroupCodes:
    """(N,) groups joined wherever two of their references are near-duplicates.

    Joining is transitive: if a is near b and b near c, all three are one group.

    Args:
        vectors: (N, D) unit rows.
        groups: (N,) from `group_codes`.
        near_duplicate: cosine above which two references are joined.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    parent = list(range(int(group_of.max(initial=-1)) + 1))
    for block in row_blocks(len(vectors)):
        near = vectors[block] @ vectors.T > near_duplicate
        for row, other in np.argwhere(near):
            a = _root(parent, int(group_of[block.start + row]))
            b = _root(parent, int(group_of[other]))
            parent[max(a, b)] = min(a, b)
    roots = np.array([_root(parent, group) for group in range(len(parent))], dtype=np.intp)
    return roots[group_of]


def row_blocks(n: int) -> Iterator[slice]:
    """Slices of N rows, so many at a time that their similarities to all fit in memory."""
    size = max(1, BLOCK_ELEMENTS // max(n, 1))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _root(parent: list[int], group: int) -> int:
    while parent[group] != group:
        parent[group] = parent[parent[group]]  # halve the path: later look-ups are short
        group = parent[group]
    return group
