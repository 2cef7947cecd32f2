"""What every candidate is compared on: the search's features, folds and fold statistics.

Where references are fewer than dimensions, all of it is about their coordinates in the space that
they span (`head.fit.span`).

Shapes: N references, S of them in the search, M scored, R coordinates, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from head.data.plan import SearchPlan, plan_search
from head.data.training_set import TrainingSet
from head.fit import statistics
from head.fit.features import FeatureMap
from head.fit.lda import LinearLayer
from head.fit.span import Span
from head.fit.statistics import WithinClass
from holotype.references import Codes, Vectors

Marks = npt.NDArray[np.bool_]


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
class CrossValidation:
    """The search's references and the folds that are scored."""

    features: FeatureMap
    span: Span
    """What the vectors are coordinates in."""
    vectors: Vectors
    """(S, R) coordinates of unit rows, after the map."""
    codes: Codes
    """(S,)."""
    n_classes: int
    plan: SearchPlan
    folds: tuple[Fold, ...]
    """Empty where nothing can be scored."""
    shrinkage: float = 0.0
    """Lower bound of the covariances' shrinkage, as `shrunk_at_least` set it."""

    @property
    def scored_codes(self) -> Codes:
        """(M,) true classes of the scored references, fold by fold."""
        return self.codes[self.plan.scored]

    def held_out_logits(self, layers: Sequence[LinearLayer]) -> npt.NDArray[np.float32]:
        """(M, C) logits of each scored reference by the layer of its fold.

        A class that the fold took references from was rarer in training than it is in the
        gallery, and a scored reference's own class always is: among classes of two by half.
        That is made up for, or every score would come out too low.
        """
        return np.concatenate(
            [
                (layer.logits(self.vectors[fold.scored]) + self._rarer(fold)).astype(np.float32)
                for layer, fold in zip(layers, self.folds, strict=True)
            ]
        )

    def _rarer(self, fold: Fold) -> npt.NDArray[np.float64]:
        """(C,) logarithm of how many times fewer references of a class the fold was trained on."""
        everything, trained = (
            np.bincount(codes, minlength=self.n_classes)
            for codes in (self.codes, self.codes[fold.trained])
        )
        rarer: npt.NDArray[np.float64] = np.log(everything / np.maximum(trained, 1))
        return rarer

    def shrunk_at_least(self, shrinkage: float) -> CrossValidation:
        """The same with more shrinkage in every fold."""
        folds = tuple(
            fold
            if fold.within is None
            else replace(fold, within=fold.within.shrunk_at_least(shrinkage))
            for fold in self.folds
        )
        return replace(self, folds=folds, shrinkage=shrinkage)


def prepare(
    training: TrainingSet, *, features: FeatureMap = FeatureMap.PLAIN, seed: int = 0
) -> CrossValidation:
    """Plan the search and take the statistics of every fold, in one pass."""
    plan = plan_search(training.codes, training.groups, training.marks, seed=seed)
    everything = len(plan.rows) == len(training)
    mapped = features.of(training.vectors if everything else training.vectors[plan.rows])
    span = Span.of(mapped)
    search = CrossValidation(
        features=features,
        span=span,
        vectors=span.coordinates(mapped),
        codes=training.codes[plan.rows],
        n_classes=len(training.labels),
        plan=plan,
        folds=(),
    )
    return divided(search, plan, dimension=training.vectors.shape[1])


def divided(search: CrossValidation, plan: SearchPlan, *, dimension: int) -> CrossValidation:
    """The same references in the folds of a plan, with the statistics of every fold.

    Args:
        search: whose folds do not matter.
        plan: of the same rows.
        dimension: D of the vectors.
    """
    vectors, codes = search.vectors, search.codes
    moments = statistics.gather(vectors, codes, plan.folds, n_classes=search.n_classes)

    def without(fold: int, trained: Marks) -> WithinClass | None:
        kept = statistics.total([m for part, m in moments.items() if part != fold])
        return statistics.within_class(kept, vectors, codes, trained, dimension=dimension)

    folds = tuple(
        Fold(trained, scored, without(fold, trained))
        for fold, (trained, scored) in zip(plan.scored_folds, plan.each_fold(), strict=True)
    )
    return replace(search, plan=plan, folds=folds).shrunk_at_least(search.shrinkage)


def within_everything(
    training: TrainingSet, features: FeatureMap, span: Span | None = None
) -> WithinClass | None:
    """Statistics of all N references; None where no class has two that differ.

    Of their coordinates in `span`, which is that of all references.
    """
    vectors, span = training.vectors, span or Span()
    if span.basis is not None:
        vectors, features = span.coordinates(features.of(vectors)), FeatureMap.PLAIN
    everything = statistics.gather(
        vectors,
        training.codes,
        np.zeros(len(training), dtype=np.int64),
        n_classes=len(training.labels),
        features=features,
    )[0]
    return statistics.within_class(
        everything,
        vectors,
        training.codes,
        features=features,
        dimension=training.vectors.shape[1],
    )
