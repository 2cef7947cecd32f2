"""Whitening by the within-class covariance: the metric that queries use.

Directions along which references of one class differ (pose, focus, lighting) are shrunk,
those that tell classes apart are kept: within-class covariance normalisation (Hatch,
Kajarekar and Stolcke, Interspeech 2006). Vectors are taken relative to the gallery's mean.

Shapes: D dimensions, N vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from head.fit.features import LENGTH_FLOOR, FeatureMap
from head.fit.span import Span
from head.fit.statistics import WithinClass
from holotype.references import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """Map, subtract a centre, multiply by a matrix, scale to unit length: cosine is taken there."""

    matrix: Vectors
    """(D, D) float32: `matrix @ matrix.T` is the inverse of the within-class covariance."""
    centre: Vectors
    """(D,) float32: the mean of all references, after the map."""
    features: FeatureMap = FeatureMap.PLAIN

    @classmethod
    def of(cls, within: WithinClass, features: FeatureMap, span: Span | None = None) -> Metric:
        """The metric that the covariance of vectors after `features` gives.

        `span`: what the statistics are coordinates in, for a metric of the vectors.
        """
        span = span or Span()
        matrix = span.matrix(within.whitening(), outside=within.floor**-0.5)
        return cls(
            matrix=matrix.astype(np.float32),
            centre=span.vectors(within.centre).astype(np.float32),
            features=features,
        )

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.centre)

    def whiten(self, vectors: Vectors) -> Vectors:
        """Unit rows in the whitened space: (N, D) for (N, D). Their dot product is the cosine."""
        placed = self.place(vectors)
        lengths = np.maximum(np.linalg.norm(placed, axis=1, keepdims=True), LENGTH_FLOOR)
        return np.asarray(placed / lengths, np.float32)

    def place(self, vectors: Vectors) -> Vectors:
        """The whitened vectors before scaling: Euclidean distance here is Mahalanobis'."""
        return self.place_mapped(self.features.of(vectors))

    def place_mapped(self, mapped: Vectors) -> Vectors:
        """The same for vectors after the feature map, such as class means."""
        return np.asarray((mapped - self.centre) @ self.matrix, np.float32)
