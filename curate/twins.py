"""Pairs of references that are far nearer to each other than references of their classes are.

How near that is comes from the gallery itself. Of every class the distance (1 - cosine) is taken
at which a nearest neighbour usually lies that is no twin; over all classes, how widely such
distances spread around it. A twin is nearer than all but the rarest of them: `DEVIATIONS` standard
deviations of their logarithm below the usual one. So a class of things that all look alike asks
for more similarity than one of things that do not, and a gallery whose neighbours lie at all
distances for more than one where they lie at the same.

Shapes: N references, D dimensions, C classes, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from head.data.duplicates import MEDIAN_OF, TYPICAL_FROM, usual_distance
from holotype.references import Codes, Floats, Vectors

EXACT = 1 - 1e-5
"""Cosine from which two vectors are one to rounding."""

DEVIATIONS = 4.5
"""Chosen on the train parts of three sets (`docs/LAB.md`): the largest F1 among those with at most
one false pair a set where nothing was planted."""

NEAREST_SHARE = 0.4
"""A twin is nearer than this share of the usual distance of neighbours, however little these vary.

Above what the development sets come to, .36."""

SURELY = 0.15
"""Neighbours nearer than this share of their class's usual distance are taken for twins, until
the threshold is known."""

NEIGHBOURS = 8
"""Who has more twins than that tells nothing of how far others are."""

SAMPLED = 2048
"""References whose neighbours are looked at for the threshold."""

AT_A_TIME = 128
"""Of these: at 100,000 references 50 MiB of similarities, and as much again."""

COMMON_WEIGHT = 3
"""References of a class that the median of all classes counts as beside its own."""

ROUNDS = 3
"""From the first guess of who is a twin to the last: the third changes nothing on real sets."""

BLOCK = 2048
"""Rows and columns of similarities that are held at a time: 16 MiB."""

FEW = 4
"""Pairs that may be twins, for each column of a block: so few are looked at one by one."""

LEADING = 96
"""Directions by which blocks are looked through first: a quarter of the work at 384 dimensions."""

ROUNDING = 1e-5
"""More than single precision adds to a product of two unit rows."""

CROWD = 16
"""Twins a reference keeps where a block has more than that for each: all of a set in any case, and
not the square of a gallery of one picture."""


Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Row i of both is one pair."""

    rows: Codes
    """(P, 2) of references, the lower one first."""
    cosines: Vectors
    """(P,)."""


def thresholds(vectors: Vectors, codes: Codes, n_classes: int) -> Floats:
    """(C,) cosines above which two references of a class are twins.

    Args:
        vectors: (N, D) unit rows, N at least 2.
        codes: (N,) classes.
        n_classes: C.
    """
    usual = _usual_distances(vectors, codes, n_classes)
    some = np.unique(np.linspace(0, len(vectors) - 1, SAMPLED).astype(np.int64))
    parts = np.array_split(some, -(-len(some) // AT_A_TIME))
    distances = np.concatenate([_nearest_distances(vectors[rows], vectors) for rows in parts])
    limits = SURELY * usual
    for _ in range(ROUNDS):
        limits = _limits(distances, codes[some], usual, limits)
    cosines: Floats = np.minimum(1 - limits, EXACT)
    return cosines


def find_pairs(
    vectors: Vectors,
    limits: Floats,
    *,
    first: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Pairs:
    """All pairs whose cosine is above the limits of both, exactly; a block of products at a time.

    Args:
        vectors: (N, D) unit rows.
        limits: (N,) cosines.
        first: only pairs with one of so many first references.
        advance: called with the number of references that were compared with all after them.
    """
    compare = _Comparison(vectors, limits.astype(np.float32))
    rows = [np.empty((0, 2), dtype=np.int64)]
    cosines = [np.empty(0, dtype=np.float32)]
    end = len(vectors) if first is None else min(first, len(vectors))
    for top in range(0, end, BLOCK):
        mine = slice(top, min(top + BLOCK, end))
        for left in range(top, len(vectors), BLOCK):
            found = compare(mine, slice(left, min(left + BLOCK, len(vectors))))
            rows.append(found.rows)
            cosines.append(found.cosines)
        advance(mine.stop - top)
    return Pairs(np.concatenate(rows), np.concatenate(cosines))


class _Comparison:
    """One block of references with another one."""

    def __init__(self, vectors: Vectors, limits: Vectors) -> None:
        self._vectors, self._limits = vectors, limits
        self._leading = _leading(vectors)
        self._products = np.empty((BLOCK, BLOCK), dtype=np.float32)
        self._kept = np.zeros(len(vectors), dtype=np.int64)

    def __call__(self, mine: slice, theirs: slice) -> Pairs:
        """Pairs of one of mine and a later one of theirs."""
        lowest = max(self._limits[mine].min(), self._limits[theirs].min())
        near = self._product(self._leading, mine, theirs) > lowest - ROUNDING
        if mine.start == theirs.start:
            near = np.triu(near, k=1)
        few = np.count_nonzero(near) <= FEW * near.shape[1]
        return (self._each if few else self._all)(near, mine, theirs)

    def _each(self, near: Bools, mine: slice, theirs: slice) -> Pairs:
        rows = np.argwhere(near) + np.array([mine.start, theirs.start])
        first, second = (self._vectors[side] for side in rows.T)
        cosines = np.einsum("pd,pd->p", first, second)
        above = cosines > self._limits[rows].max(axis=1)
        return self._counted(Pairs(rows[above], cosines[above]))

    def _all(self, near: Bools, mine: slice, theirs: slice) -> Pairs:
        cosines = self._product(self._vectors, mine, theirs)
        near &= cosines > np.maximum.outer(self._limits[mine], self._limits[theirs])
        if np.count_nonzero(near) > CROWD * near.shape[1]:
            near &= np.logical_or.outer(self._kept[mine] < CROWD, self._kept[theirs] < CROWD)
            near &= np.cumsum(near, axis=0, dtype=np.int16) <= CROWD
        rows = np.argwhere(near)
        found = cosines[tuple(rows.T)]
        return self._counted(Pairs(rows + np.array([mine.start, theirs.start]), found))

    def _product(self, vectors: Vectors, mine: slice, theirs: slice) -> Vectors:
        product = self._products[: mine.stop - mine.start, : theirs.stop - theirs.start]
        return np.matmul(vectors[mine], vectors[theirs].T, out=product)

    def _counted(self, found: Pairs) -> Pairs:
        if len(found.rows):
            self._kept += np.bincount(found.rows.ravel(), minlength=len(self._kept))
        return found


def _leading(vectors: Vectors) -> Vectors:
    """(N, LEADING + 1): products of these are no less than the cosines, and cost a part of them.

    Coordinates along the directions in which the rows are longest, and the length of the rest:
    the product of two rests is at most that of their lengths (Cauchy and Schwarz). The rows
    themselves where that would gain nothing.
    """
    n, dimension = vectors.shape
    if n <= 4 * BLOCK or dimension <= 2 * LEADING:
        return vectors
    some = vectors[:: -(-n // (2 * BLOCK))]
    directions = np.linalg.eigh(some.T @ some)[1][:, -LEADING:]
    leading = np.empty((n, LEADING + 1), dtype=np.float32)
    np.matmul(vectors, directions, out=leading[:, :LEADING])
    rest = 1 - np.einsum("nd,nd->n", leading[:, :LEADING], leading[:, :LEADING])
    leading[:, LEADING] = np.sqrt(np.maximum(rest, 0))
    return leading


def _nearest_distances(some: Vectors, vectors: Vectors) -> Vectors:
    """(S, up to NEIGHBOURS) of some of the unit rows (N, D) to others, nearest first."""
    n = min(NEIGHBOURS + 1, len(vectors))
    nearest = np.partition(some @ vectors.T, len(vectors) - n, axis=1)[:, -n:]
    distances: Vectors = np.sort(1 - nearest, axis=1)[:, 1:]  # the first is the row itself
    return distances


def _usual_distances(vectors: Vectors, codes: Codes, n_classes: int) -> Floats:
    """(C,) median distance of two references of a class; of any two where it is too small."""
    order = np.argsort(codes, kind="stable")
    classes = np.split(order, np.searchsorted(codes[order], np.arange(1, n_classes)))
    usual = np.array(
        [
            usual_distance(vectors[rows[:: -(-len(rows) // MEDIAN_OF)]])
            if len(rows) >= TYPICAL_FROM
            else np.nan
            for rows in classes
        ]
    )
    missing = np.isnan(usual)
    common = usual_distance(vectors) if missing.all() else float(np.median(usual[~missing]))
    return np.where(missing, common, usual)


def _limits(distances: Vectors, codes: Codes, usual: Floats, limits: Floats) -> Floats:
    """(C,) distances below which two references are twins.

    Args:
        distances: (S, up to NEIGHBOURS) of some references, nearest first.
        codes: (S,) their classes.
        usual: (C,) distance within each class.
        limits: (C,) the same as the result, as far as it is known.
    """
    twins = np.sum(distances < limits[codes, None], axis=1)
    last = np.minimum(twins, distances.shape[1] - 1)
    other = np.take_along_axis(distances, last[:, None], axis=1)[:, 0]
    known = (twins <= last) & (usual[codes] > 0)
    if not known.any():
        return limits
    codes = codes[known]
    logs = np.log(np.maximum(other[known] / usual[codes], 1e-6))
    common = float(np.median(logs))
    centres = np.full(len(usual), common)
    for code in np.unique(codes):
        mine = logs[codes == code]
        weight = len(mine) / (len(mine) + COMMON_WEIGHT)
        centres[code] = weight * np.median(mine) + (1 - weight) * common
    # The upper half: twins that were not recognised are in the lower one.
    spread = float(np.quantile(logs - centres[codes], 0.84))
    share = min(np.exp(-DEVIATIONS * spread), NEAREST_SHARE)
    found: Floats = usual * np.exp(centres) * share
    return found
