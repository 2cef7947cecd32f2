"""Pairs of twins become sets, the nearest first: through chains, too, as far as a set holds.

One grain at five depths of focus is one set. A chain of look-alikes is not, however long it is:
two sets become one only where the mean cosine between them is high enough.

Shapes: N references, D dimensions, M members of a set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curate.twins import EXACT, Pairs
from head.data.duplicates import join
from holotype.references import Codes, Floats, Vectors

CHAIN = 1.25
"""Mean distance between two sets that may become one, in those at which a pair is one."""


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """One set: rows of references, and which of them are copies; M members."""

    rows: Codes
    """(M,) ascending."""
    copies: Codes
    """(M,) equal numbers mark copies of one picture."""
    similarities: Vectors
    """(M,) cosine with the first; of the first with the one most like it."""


def join_sets(pairs: Pairs, vectors: Vectors, limits: Floats) -> list[Joined]:
    """Sets of two and more that pairs connect, as far as they hold together.

    Copies are one from the beginning. Then the nearest pair is taken first, and what its two
    references belong to becomes one set if their mean cosine allows it (average linkage, Sokal
    and Michener 1958, along the pairs alone).

    Args:
        pairs: of N references.
        vectors: (N, D) unit rows.
        limits: (N,) cosines above which pairs are pairs.
    """
    is_copy = pairs.cosines >= EXACT
    copies = join(np.arange(len(vectors)), pairs.rows[is_copy].T)
    by_copy = np.argsort(copies, kind="stable")
    parts = np.split(by_copy, np.flatnonzero(np.diff(copies[by_copy])) + 1)
    sets = {number: rows for number, rows in enumerate(parts) if len(rows) > 1}
    order = np.flatnonzero(~is_copy)[np.argsort(-pairs.cosines[~is_copy], kind="stable")]
    lowest = 1 - CHAIN * (1 - limits[pairs.rows[order]].max(axis=1))
    sums: dict[int, Vectors] = {}
    now: dict[int, int] = {}
    for (a, b), enough in zip(copies[pairs.rows[order]].tolist(), lowest.tolist(), strict=True):
        first, second = _set_now(a, now), _set_now(b, now)
        if first == second:
            continue
        for one in (first, second):
            if one not in sums:
                sets[one] = parts[one]
                sums[one] = vectors[parts[one]].sum(axis=0)
        mean = sums[first] @ sums[second] / (len(sets[first]) * len(sets[second]))
        if mean >= enough:
            now[second] = first
            sets[first] = np.concatenate([sets[first], sets.pop(second)])
            sums[first] = sums[first] + sums.pop(second)
    return [_joined(np.sort(rows), copies, vectors) for rows in sets.values() if len(rows) > 1]


def _joined(rows: Codes, copies: Codes, vectors: Vectors) -> Joined:
    cosines = np.clip(vectors[rows] @ vectors[rows[0]], -1, 1)
    cosines[0] = cosines[1:].max()
    return Joined(rows, copies[rows], cosines)


def _set_now(one: int, now: dict[int, int]) -> int:
    """The set that has taken up this one, through those that took up each other."""
    while one in now:
        if now[one] in now:
            now[one] = now[now[one]]
        one = now[one]
    return one
