"""What every candidate is compared on: the search's vectors, folds and fold statistics.

Shapes: N references, S of them in the search, M scored, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from head import statistics
from head.folds import NEVER_SCORED
from head.plan import SearchPlan, plan_search
from head.statistics import Moments, WithinClass
from head.training_set import TrainingSet
from holotype.references import Vectors

Codes = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]

NOT_IN_SEARCH = NEVER_SCORED - 1
"""Part number of references that only the final head is trained on."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One division of the search into references trained on and references scored."""

    trained: Marks
    """(S,)."""
    scored: Marks
    """(S,)."""
    within: WithinClass | None
    """Of those trained on; None where no class has two that differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The search's references and the folds that are scored."""

    vectors: Vectors
    """(S, D)."""
    codes: Codes
    """(S,)."""
    n_classes: int
    plan: SearchPlan
    folds: tuple[Fold, ...]
    """Empty where nothing can be scored."""
    within: WithinClass | None
    """Of all N references, those outside the search too."""

    @property
    def scored_codes(self) -> Codes:
        """(M,) true classes of the scored references, fold by fold."""
        return self.codes[self.plan.scored]


def prepare(training: TrainingSet, *, seed: int) -> Search:
    """Plan the search and take the statistics of every fold, in one pass."""
    plan = plan_search(training.codes, training.groups, seed=seed)
    everything = len(plan.rows) == len(training)
    vectors = training.vectors if everything else training.vectors[plan.rows]
    codes = training.codes[plan.rows]
    parts = np.full(len(training), NOT_IN_SEARCH)
    parts[plan.rows] = plan.folds
    n_classes = len(training.labels)
    moments = statistics.gather(training.vectors, training.codes, parts, n_classes=n_classes)
    return Search(
        vectors=vectors,
        codes=codes,
        n_classes=n_classes,
        plan=plan,
        folds=tuple(
            Fold(trained, scored, _without(fold, moments, vectors, codes, trained))
            for fold, (trained, scored) in zip(plan.scored_folds, plan.each_fold(), strict=True)
        ),
        within=statistics.within_class(
            statistics.total(list(moments.values())), training.vectors, training.codes
        ),
    )


def _without(
    fold: int, moments: dict[int, Moments], vectors: Vectors, codes: Codes, trained: Marks
) -> WithinClass | None:
    kept = [m for part, m in moments.items() if part not in (fold, NOT_IN_SEARCH)]
    return statistics.within_class(statistics.total(kept), vectors, codes, trained)
