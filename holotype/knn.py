"""k-NN over references in memory, as a query does it through a store: found, ranked, voting.

Calibration, evaluation and the learning curve share it.

Shapes: Q queries, N references, D dimensions, R candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holotype.references import Codes, Vectors
from holotype.votes import Tally, Voting, Weighting, ranked

SIMILARITIES = 32 * 2**20
"""Held at a time (float32: 128 MiB)."""

GATHERED = 12 * 2**20
"""Numbers of the candidates' vectors held at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest references of some queries, nearest first."""

    rows: Codes
    """(Q, R) of the references; -1 in the places that are left over."""
    similarities: npt.NDArray[np.float32]
    """(Q, R) cosine in [-1, 1]; -inf where the row is -1."""


def nearest(
    queries: Vectors, vectors: Vectors, *, r: int, groups: tuple[Codes, Codes] | None = None
) -> Nearest:
    """The `r` nearest of every query, exactly, a block of queries at a time.

    Args:
        queries: (Q, D) unit rows.
        vectors: (N, D) unit rows.
        r: how many; fewer where there are fewer.
        groups: (Q,) of the queries and (N,) of the references: none of a query's own is among
            its nearest.
    """
    r = min(r, len(vectors))
    rows = np.full((len(queries), r), -1, dtype=np.int64)
    similarities = np.full((len(queries), r), -np.inf, dtype=np.float32)
    for block in _blocks(len(queries), SIMILARITIES // max(len(vectors), 1)) if r else ():
        cosine = queries[block] @ vectors.T
        if groups is not None:
            own, theirs = groups
            cosine[own[block, None] == theirs[None, :]] = -np.inf
        best = np.argpartition(-cosine, r - 1, axis=1)[:, :r]
        found = np.take_along_axis(cosine, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        similarities[block] = np.take_along_axis(found, order, axis=1)
        rows[block] = np.take_along_axis(best, order, axis=1)
    rows[np.isneginf(similarities)] = -1
    return Nearest(rows, similarities)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knn:
    """References that vote."""

    vectors: Vectors
    """(N, D) unit rows as stored: candidates are the nearest of them."""
    classes: Codes
    """(N,)."""
    n_classes: int
    """C."""
    voting: Voting
    placed: Vectors | None = None
    """(N, D) unit rows in the space where candidates are ranked again; None: they are not."""
    groups: Codes | None = None
    """(N,): nobody votes on a query of the own group. None: everybody votes."""

    def tallies(
        self, queries: Vectors, *, placed: Vectors | None = None, groups: Codes | None = None
    ) -> Iterator[Tally]:
        """The votes on all queries, a block of them at a time.

        Args:
            queries: (Q, D) unit rows.
            placed: (Q, D) the same where the references are ranked again, if they are.
            groups: (Q,), if the references have some.
        """
        sizes = np.bincount(self.classes, minlength=self.n_classes).astype(np.float64)
        space, at = self._ranked_in(queries, placed)
        r = self.voting.candidates
        for block in self._blocks(len(queries), r):
            found = self._found(queries, groups, block, r)
            # Row -1 (nobody there) would index the last class: it stays marked.
            classes = np.where(found.rows >= 0, self.classes[found.rows], -1)
            if self._as_found:
                k = self.voting.k
                yield self.voting.rule.cast(
                    found.similarities[:, :k], classes[:, :k], class_sizes=sizes
                )
            else:
                yield self.voting.cast(at[block], space[found.rows], classes, class_sizes=sizes)

    def neighbours(
        self,
        queries: Vectors,
        k: int,
        *,
        placed: Vectors | None = None,
        groups: Codes | None = None,
    ) -> Nearest:
        """The nearest k in the order in which they vote; all arguments but k as in `tallies`.

        Where they are ranked again, similarities are cosines in the space that they are ranked in.
        """
        k = min(k, len(self.vectors))
        r = max(k, self.voting.candidates)
        space, at = self._ranked_in(queries, placed)
        rows = np.empty((len(queries), k), dtype=np.int64)
        similarities = np.empty((len(queries), k), dtype=np.float32)
        for block in self._blocks(len(queries), r):
            found = self._found(queries, groups, block, r)
            if self._as_found:
                rows[block], similarities[block] = found.rows[:, :k], found.similarities[:, :k]
                continue
            closeness, order = ranked(at[block], space[found.rows], present=found.rows >= 0)
            rows[block] = np.take_along_axis(found.rows, order, axis=1)[:, :k]
            similarities[block] = closeness[:, :k]
        similarities[rows < 0] = -np.inf
        return Nearest(rows, similarities)

    def _found(self, queries: Vectors, groups: Codes | None, block: slice, r: int) -> Nearest:
        own = None
        if self.groups is not None and groups is not None:
            own = groups[block], self.groups
        return nearest(queries[block], self.vectors, r=r, groups=own)

    def _ranked_in(self, queries: Vectors, placed: Vectors | None) -> tuple[Vectors, Vectors]:
        """References and queries in the space that candidates are ranked in."""
        if self.placed is None or placed is None:
            return self.vectors, queries
        return self.placed, placed

    @property
    def _as_found(self) -> bool:
        """Whether votes need nothing but the cosines that candidates were found by."""
        return self.placed is None and self.voting.rule.weighting is not Weighting.KRIGING

    def _blocks(self, n: int, r: int) -> Iterator[slice]:
        """Of n queries with r candidates each."""
        size = SIMILARITIES // max(len(self.vectors), 1)
        if not self._as_found:
            gathered = min(r, len(self.vectors)) * self.vectors.shape[1]
            size = min(size, GATHERED // max(gathered, 1))
        return _blocks(n, size)


def _blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of `size` of n rows, or of one."""
    for start in range(0, n, max(size, 1)):
        yield slice(start, start + max(size, 1))
