"""How the gallery's own references would vote on each other, out of fold.

Every scored reference is a query: its candidates are the nearest by plain cosine among all
references outside its group, ranked again by a metric that was learned without its fold,
and they vote as they do for a real query. Calibration and evaluation share it.

Shapes: N references, M scored, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.fit.features import FeatureMap
from head.fit.whitening import Metric
from holotype.knn import Knn
from holotype.references import Codes, Floats
from holotype.votes import BY_METRIC, Voting

if TYPE_CHECKING:
    from head.choice.cross_validation import CrossValidation
    from head.data.training_set import TrainingSet


@dataclass(frozen=True, slots=True, eq=False)
class LeftOutVotes:
    """Votes on scored references."""

    positions: Codes
    """(M,) which references of the search were queries."""
    sums: Floats
    """(M, C) summed weights of each class."""


def left_out_votes(
    search: CrossValidation,
    training: TrainingSet,
    *,
    at_most: int | None = None,
    voting: Voting = BY_METRIC,
    on_block: Callable[[], None] = lambda: None,
    on_fold: Callable[[], None] = lambda: None,
) -> LeftOutVotes | None:
    """Let references vote on those of other groups.

    Args:
        search: with fold statistics; its vectors are after the feature map.
        training: what it was made of, as it is stored.
        at_most: so many queries, evenly taken from each fold; None: all that are scored.
        voting: how neighbours are found and vote.
        on_block: called after every block of queries (a sign of life).
        on_fold: called after every fold.

    Returns:
        None where some fold has no metric to learn.
    """
    sums, positions = [], []
    share = 1.0 if at_most is None else min(1.0, at_most / max(len(search.plan.scored), 1))
    vectors, groups = training.vectors[search.plan.rows], training.groups[search.plan.rows]
    for fold in search.folds:
        if fold.within is None:
            return None
        white = Metric.of(fold.within, FeatureMap.PLAIN).whiten(search.vectors)
        voters = Knn(
            vectors=vectors,
            classes=search.codes,
            n_classes=search.n_classes,
            voting=voting,
            placed=white,
            groups=groups,
        )
        queries = _evenly(np.flatnonzero(fold.scored), share)
        positions.append(queries)
        for tally in voters.tallies(
            vectors[queries], placed=white[queries], groups=groups[queries]
        ):
            sums.append(tally.sums)
            on_block()
        on_fold()
    if not sums:
        return None
    return LeftOutVotes(np.concatenate(positions), np.concatenate(sums))


def _evenly(rows: Codes, share: float) -> Codes:
    n = max(1, round(share * len(rows)))
    return rows[np.linspace(0, len(rows) - 1, n).round().astype(np.int64)]
