"""What the gallery can say of pictures at this moment: shrinkage LDA, fitted to every reference.

It stands in for the head: it is in closed form, knows the references that came since the last
retrain, and needs nothing that a service does not give. Features and shrinkage are settled out of
fold as for a head (`head.choice.selection.settle`), and so is the temperature.

Shapes: N references, Q pictures, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from head.choice.cross_validation import within_everything
from head.choice.selection import settle
from head.data.duplicates import join_near_duplicates
from head.fit.features import FeatureMap
from head.fit.lda import LinearLayer, discriminants
from head.fit.span import Span
from head.fit.temperature import FAR_BEHIND, softmax
from holotype.references import Codes, Floats, Vectors

if TYPE_CHECKING:
    from head.data.training_set import TrainingSet


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opinion:
    """A linear layer with what makes its scores probabilities."""

    labels: tuple[str, ...]
    layer: LinearLayer
    """C rows, of vectors after the feature map."""
    features: FeatureMap
    shrinkage: float
    temperature: float
    accuracy: float
    """Out of fold, in [0, 1]: of the references that have another of their class."""

    @classmethod
    def of(cls, training: TrainingSet) -> Opinion | None:
        """From all references; None where they cannot tell classes apart.

        That is: fewer than two classes, no class of two independent references, or none whose
        references differ.
        """
        if len(training.labels) < 2:
            return None
        groups = join_near_duplicates(training.vectors, training.codes, training.groups)
        training = replace(training, groups=groups)
        search, lda = settle(training, seed=0)
        layer = _layer(training, search.features, search.shrinkage)
        if lda is None or layer is None:
            return None
        return cls(
            labels=training.labels,
            layer=layer,
            features=search.features,
            shrinkage=search.shrinkage,
            temperature=lda.temperature,
            accuracy=lda.scores.accuracy,
        )

    def probabilities(self, vectors: Vectors) -> Floats:
        """(Q, C) for (Q, D) unit rows; a row sums to 1."""
        return softmax(self.layer.logits(self.features.of(vectors)) / self.temperature)

    def answers(self, vectors: Vectors) -> Codes:
        """(Q,) the most probable class of (Q, D) unit rows."""
        best: Codes = self.layer.logits(self.features.of(vectors)).argmax(axis=1)
        return best

    def learned_from(self, training: TrainingSet) -> Opinion | None:
        """The same settings fitted to other references, with the same labels.

        A label that none of them has is never answered. None where no class's references differ.
        """
        layer = _layer(training, self.features, self.shrinkage)
        return None if layer is None else replace(self, layer=layer)


def _layer(training: TrainingSet, features: FeatureMap, shrinkage: float) -> LinearLayer | None:
    span = Span.of(features.of(training.vectors))
    within = within_everything(training, features, span)
    if within is None:
        return None
    layer = span.layer(discriminants(within.shrunk_at_least(shrinkage)))
    return replace(layer, bias=np.where(training.counts > 0, layer.bias, FAR_BEHIND))
