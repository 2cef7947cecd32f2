"""What a gallery's references say of pictures that are not among them.

The whitened space, how strange a picture is, and how probable each class is for it, from the
references as they are now: by the formulas of a head (`head.fit.whitening`, `head.trust.novelty`,
`head.fit.lda`), but without one, so that a class that came a minute ago is known already, and so
that it is the same through a service, which gives away no head.

Shapes: N references, S of them searched, Q pictures, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from head.choice.cross_validation import CrossValidation, prepare
from head.data.duplicates import join_near_duplicates
from head.fit import statistics
from head.fit.features import LENGTH_FLOOR, FeatureMap
from head.fit.lda import LinearLayer, discriminants
from head.fit.temperature import fit_temperature, softmax
from head.fit.whitening import Metric
from head.trust.novelty import Novelty, usual_scores
from holotype.errors import TooFewReferences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from head.data.training_set import TrainingSet
    from head.fit.statistics import WithinClass
    from holotype.references import Codes, Floats, Vectors

SHRINKAGE: Final = 0.5
"""Lower bound of the covariance's shrinkage, the one that serves most galleries best
(`head.choice.selection`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The classes of a gallery, and what is usual for their references."""

    labels: tuple[str, ...]
    """C, sorted."""
    metric: Metric
    novelty: Novelty
    search: CrossValidation
    """The references that this was learned from: all of them, or a sample of many."""
    within: WithinClass
    """Their statistics."""
    layer: LinearLayer
    """(C, D) of LDA."""
    temperature: float

    @classmethod
    def of(cls, training: TrainingSet) -> Known:
        """Learn it.

        Raises:
            TooFewReferences: no class has two references that differ.
        """
        groups = join_near_duplicates(training.vectors, training.codes, training.groups)
        training = replace(training, groups=groups)
        searches = [_search(training, features) for features in FeatureMap]
        search, temperature, _ = min(searches, key=lambda found: found[2])
        within = _within(search, training.vectors.shape[1])
        if within is None:
            raise TooFewReferences(
                "what is new is told from how references of one class differ, and here no class "
                "has two that do: add more of each with `ingest add`"
            )
        metric = Metric.of(within, search.features, search.span)
        return cls(
            labels=training.labels,
            metric=metric,
            novelty=Novelty.of(within, metric, usual_scores(search), search.span),
            search=search,
            within=within,
            layer=search.span.layer(discriminants(within)),
            temperature=temperature,
        )

    def stranger_than(self, vectors: Vectors) -> Floats:
        """(Q,) the share of references that are less strange than each of (Q, D) unit rows."""
        return self.novelty.stranger_than(self.novelty.score(vectors))

    def probabilities(self, vectors: Vectors) -> Floats:
        """(Q, C) calibrated on references that were held out."""
        return softmax(self.layer.logits(self.metric.features.of(vectors)) / self.temperature)

    def whitened(self, metric: Metric | None = None) -> Vectors:
        """(S, D) unit rows: the references where distances are taken, by this metric or another."""
        metric = metric or self.metric
        mapped = np.asarray(self.search.span.vectors(self.search.vectors), np.float32)
        return unit_rows(metric.place_mapped(mapped))

    def without(self, classes: Sequence[int]) -> Metric | None:
        """The metric that would be known without these classes; None where nothing is left."""
        rows = np.isin(self.search.codes, classes)
        rest = self.within.without(self.search.vectors[rows], self.search.codes[rows])
        return None if rest is None else Metric.of(rest, self.search.features, self.search.span)


def unit_rows(rows: npt.NDArray[np.floating]) -> Vectors:
    """(N, D) float32 at length 1."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, LENGTH_FLOOR), np.float32)


def _search(training: TrainingSet, features: FeatureMap) -> tuple[CrossValidation, float, float]:
    """Folds with their statistics, the temperature of their answers, and the loss of these."""
    search = prepare(training, features=features).shrunk_at_least(SHRINKAGE)
    layers = [discriminants(fold.within) for fold in search.folds if fold.within is not None]
    if not layers or len(layers) < len(search.folds) or len(training.labels) < 2:
        return search, 1.0, 0.0
    logits, codes = search.held_out_logits(layers), search.scored_codes
    temperature = fit_temperature(logits, codes)
    right = softmax(logits / temperature)[np.arange(len(codes)), codes]
    return search, temperature, float(-np.log(np.maximum(right, 1e-12)).mean())


def _within(search: CrossValidation, dimension: int) -> WithinClass | None:
    vectors, codes = search.vectors, search.codes
    parts: Codes = np.zeros(len(codes), np.int64)
    moments = statistics.gather(vectors, codes, parts, n_classes=search.n_classes)[0]
    found = statistics.within_class(moments, vectors, codes, dimension=dimension)
    return None if found is None else found.shrunk_at_least(SHRINKAGE)
