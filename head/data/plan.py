"""Which references a search trains and scores on, so that its time does not grow for ever.

Up to 20,000 references everything is used: five folds, every reference scored once. Beyond,
folds are scored until 8,000 references are; beyond 50,000 references the candidates are
compared on a sample that keeps at least ten references of every class that has them. The
final head is trained on everything in any case.

Shapes: N references, S of them in the search, F scored folds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from head.data.folds import N_FOLDS, stratified_folds
from holotype.references import Codes

EVERYTHING_UP_TO = 20_000
"""References of which each is scored."""

SCORED_ENOUGH = 8_000
"""Scored references that settle a comparison: the standard error is 0.6 points at most. A fold
of the largest searches is enough."""

SEARCH_REFERENCES = 50_000
PER_CLASS_AT_LEAST = 10


@dataclass(frozen=True, slots=True, eq=False)
class SearchPlan:
    """Rows of the training set that the search uses, and their folds."""

    rows: Codes
    """(S,) ascending rows."""
    folds: Codes
    """(S,) fold of each, or `NEVER_SCORED`."""
    scored_folds: tuple[int, ...]
    """The F folds that are scored; empty where no class has two groups."""

    @property
    def scored(self) -> Codes:
        """Positions in `rows` that are scored, fold by fold."""
        parts = [np.flatnonzero(self.folds == fold) for fold in self.scored_folds]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def each_fold(self) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
        """(S,) marks of the rows trained on and of the rows scored, for every scored fold."""
        for fold in self.scored_folds:
            yield self.folds != fold, self.folds == fold


def plan_search(codes: Codes, groups: Codes, marks: Codes, *, seed: int) -> SearchPlan:
    """Plan for (N,) classes, groups and marks."""
    rows = _sample(codes, groups, marks)
    folds = stratified_folds(codes[rows], groups[rows], seed=seed)
    n_scored = 0
    used: list[int] = []
    for fold in range(N_FOLDS):
        in_fold = int(np.count_nonzero(folds == fold))
        if in_fold and (n_scored < SCORED_ENOUGH or len(rows) <= EVERYTHING_UP_TO):
            used.append(fold)
            n_scored += in_fold
    return SearchPlan(rows=rows, folds=folds, scored_folds=tuple(used))


def _sample(codes: Codes, groups: Codes, marks: Codes) -> Codes:
    """Rows of about `SEARCH_REFERENCES` references, whole groups where that is possible.

    Those with the smallest marks are taken. Marks are hashes, so that is a random sample, and
    nearly the same one when the gallery has grown a little: two heads' out-of-fold predictions
    can then be compared reference by reference (`head.versions.champion`).
    """
    if len(codes) <= SEARCH_REFERENCES:
        return np.arange(len(codes))
    smallest = np.full(int(groups.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, groups, marks)
    order = np.lexsort((smallest[groups], codes))
    counts = np.bincount(codes)
    rank = np.empty(len(codes), dtype=np.int64)
    rank[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    wanted = np.maximum(PER_CLASS_AT_LEAST, counts * SEARCH_REFERENCES // len(codes))
    return np.flatnonzero(rank < wanted[codes])
