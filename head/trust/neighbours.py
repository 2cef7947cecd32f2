"""How the gallery's own references would vote on each other, out of fold.

Every scored reference is a query: its candidates are the nearest by plain cosine among all
references outside its group, ranked again by a metric that was learned without its fold,
and they vote as they do for a real query. Calibration and evaluation share it.

Shapes: S references in the search, M scored, R candidates, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from head.choice.search import Search
from head.fit.features import FeatureMap
from head.fit.metric import Metric
from holotype.references import Codes, Floats, Vectors
from holotype.votes import BY_METRIC, Voting

BLOCK_QUERIES = 128


@dataclass(frozen=True, slots=True, eq=False)
class LeftOutVotes:
    """Votes on scored references."""

    positions: Codes
    """(M,) which references of the search were queries."""
    sums: Floats
    """(M, C) summed weights of each class."""


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """Who may vote on whom."""

    vectors: Vectors
    """(S, D) unit rows as stored, before the feature map."""
    groups: Codes
    """(S,)."""


def left_out_votes(
    search: Search,
    others: Others,
    *,
    at_most: int | None = None,
    voting: Voting = BY_METRIC,
    on_block: Callable[[], None] = lambda: None,
) -> LeftOutVotes | None:
    """Let references vote on those of other groups.

    Args:
        search: with fold statistics; its vectors are after the feature map.
        others: the same references as they are stored.
        at_most: so many queries, evenly taken from each fold; None: all that are scored.
        voting: how they are found and vote; R candidates.
        on_block: called after every block of queries (a sign of life).

    Returns:
        None where some fold has no metric to learn.
    """
    sums, positions = [], []
    share = 1.0 if at_most is None else min(1.0, at_most / max(len(search.plan.scored), 1))
    for fold in search.folds:
        if fold.within is None:
            return None
        white = Metric.of(fold.within, FeatureMap.PLAIN).whiten(search.vectors)
        queries = _evenly(np.flatnonzero(fold.scored), share)
        positions.append(queries)
        for block in _blocks(queries):
            sums.append(_vote(search, others, white, block, voting))
            on_block()
    if not sums:
        return None
    return LeftOutVotes(np.concatenate(positions), np.concatenate(sums))


def _vote(
    search: Search,
    others: Others,
    white: Vectors,
    queries: Codes,
    voting: Voting,
) -> Floats:
    nearest, allowed = _nearest(others, queries, voting.candidates)
    tally = voting.cast(
        white[queries],
        white[nearest],
        np.where(allowed, search.codes[nearest], -1),
        class_sizes=np.bincount(search.codes, minlength=search.n_classes).astype(np.float64),
    )
    return tally.sums


def _nearest(others: Others, queries: Codes, r: int) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """(q, R) rows of the nearest by cosine, and whether each is of another group."""
    cosine = others.vectors[queries] @ others.vectors.T
    cosine[others.groups[queries][:, None] == others.groups[None, :]] = -np.inf
    r = min(r, cosine.shape[1])
    rows = np.argpartition(-cosine, r - 1, axis=1)[:, :r]
    return rows, np.take_along_axis(cosine, rows, axis=1) > -np.inf


def _evenly(rows: Codes, share: float) -> Codes:
    n = max(1, round(share * len(rows)))
    return rows[np.linspace(0, len(rows) - 1, n).round().astype(np.int64)]


def _blocks(queries: Codes) -> Iterator[Codes]:
    for start in range(0, len(queries), BLOCK_QUERIES):
        yield queries[start : start + BLOCK_QUERIES]
