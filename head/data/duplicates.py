"""Near-duplicates join one group, so that no fold is scored with a twin in its training.

Two references of one class are taken for twins where their cosine is above `NEAR_DUPLICATE`
and they are far nearer than is usual in their class. The second half keeps a class of
things that all look alike (solar cells, bottle caps) from becoming one single group, which
could not be scored at all. On the shared sets every twin of pollen (one grain at another
focus) lies at 0.16 of its class's usual distance or nearer, and look-alikes of plankton
mostly at 0.3 or more.

Pairs are looked for within a class: a twin under another label does not flatter a score.

Shapes: N references, D dimensions, P pairs.
"""

from __future__ import annotations

import numpy as np

from holotype.references import Codes, Vectors

NEAR_DUPLICATE = 0.95
"""Cosine above which two references are taken for pictures of the same thing.

Chosen by looking at pairs: above it, pairs of pollen grains are one grain at another focus, and
pairs of plankton cannot be told apart by eye; photos of clothing have none (`docs/LAB.md`).
"""

TWIN_SHARE = 0.2
"""Twins are nearer than this share of the median distance (1 - cosine) in their class."""

TYPICAL_FROM = 5
"""Classes with fewer references take the median of the others for theirs."""

MEDIAN_OF = 512
"""References of a class that its median is taken over."""

LARGEST_CLASS = 20_000
"""Beyond this many references of one class its pairs are not looked at: they are quadratic."""

BLOCK_ROWS = 2048


def join_near_duplicates(
    vectors: Vectors, codes: Codes, groups: Codes, *, threshold: float = NEAR_DUPLICATE
) -> Codes:
    """Groups in which twins are joined; through chains, and whole groups.

    Args:
        vectors: (N, D) unit rows.
        codes: (N,) classes.
        groups: (N,) groups, 0 .. G - 1.
        threshold: cosine; 1 or more joins nothing.

    Returns:
        (N,) groups, numbered from 0.
    """
    classes = _classes(codes)
    usual = [usual_distance(vectors[rows]) for rows in classes if len(rows) >= TYPICAL_FROM]
    common = float(np.median(usual)) if usual else 0.0
    pairs = [_twins(vectors, rows, threshold, common) for rows in classes]
    return join(groups, np.concatenate(pairs, axis=1)) if pairs else groups


def join(groups: Codes, pairs: Codes) -> Codes:
    """Groups that pairs connect become one; through chains, and whole groups.

    Args:
        groups: (N,) groups, 0 .. G - 1.
        pairs: (2, P) rows.

    Returns:
        (N,) groups, numbered from 0 in the order of the groups before.
    """
    first, second = groups[pairs]
    lowest = np.arange(int(groups.max()) + 1)
    while (lowest[first] != lowest[second]).any():
        low = np.minimum(lowest[first], lowest[second])
        for ends in (lowest[first], lowest[second]):
            np.minimum.at(lowest, ends, low)
        lowest = lowest[lowest]
    components: Codes = np.unique(lowest, return_inverse=True)[1]
    return components[groups]


def pairs_above(vectors: Vectors, threshold: float) -> Codes:
    """(2, P) rows of all pairs of unit rows (N, D) whose cosine is above the threshold."""
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(vectors), BLOCK_ROWS):
        near = np.argwhere(vectors[start : start + BLOCK_ROWS] @ vectors[start:].T > threshold)
        found.append(near[near[:, 0] < near[:, 1]] + start)
    pairs: Codes = np.concatenate(found).T
    return pairs


def _classes(codes: Codes) -> list[Codes]:
    order = np.argsort(codes, kind="stable")
    classes = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    return [rows for rows in classes if 1 < len(rows) <= LARGEST_CLASS]


def usual_distance(vectors: Vectors) -> float:
    """Median distance (1 - cosine) of two of these unit rows (N, D), N at least 2; of some."""
    some = vectors[:: max(1, len(vectors) // MEDIAN_OF)]
    upper = np.triu_indices(len(some), k=1)
    return float(np.median(1 - (some @ some.T)[upper]))


def _twins(vectors: Vectors, rows: Codes, threshold: float, common: float) -> Codes:
    """(2, P) rows of the twins of one class."""
    mine = vectors[rows]
    usual = usual_distance(mine) if len(rows) >= TYPICAL_FROM else common
    return rows[pairs_above(mine, max(threshold, 1 - TWIN_SHARE * usual))]
