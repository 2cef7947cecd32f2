"""Whitening by the within-class covariance: as the metric that queries use, and for training.

Directions along which references of one class differ (pose, focus, lighting) are shrunk,
those that tell classes apart are kept: within-class covariance normalisation (Hatch,
Kajarekar and Stolcke, Interspeech 2006). Vectors are taken relative to the gallery's mean.

Shapes: D dimensions, N vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from head.fit.features import LENGTH_FLOOR, FeatureMap
from head.fit.lda import LinearLayer
from head.fit.statistics import WithinClass
from holotype.references import Floats, Vectors

SCALED_ON = 4096
"""Vectors that a whitener's mean square length is taken over."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """Map, subtract a centre, multiply by a matrix, scale to unit length: cosine is taken there."""

    matrix: Vectors
    """(D, D) float32: `matrix @ matrix.T` is the inverse of the within-class covariance."""
    centre: Vectors
    """(D,) float32: the mean of all references, after the map."""
    features: FeatureMap = FeatureMap.PLAIN

    @classmethod
    def of(cls, within: WithinClass, features: FeatureMap) -> Metric:
        """The metric that the covariance of vectors after `features` gives."""
        return cls(
            matrix=within.whitening().astype(np.float32),
            centre=within.centre.astype(np.float32),
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


@dataclass(frozen=True, slots=True, eq=False)
class Whitener:
    """Subtract a centre, multiply by a matrix: vectors of unit mean square length."""

    matrix: Floats
    """(D, D)."""
    centre: Floats
    """(D,)."""

    @classmethod
    def learn(cls, within: WithinClass, vectors: Vectors) -> Whitener:
        """From the covariance, with its scale from some of these (N, D) mapped vectors."""
        matrix, centre = within.whitening(), within.centre
        some = (vectors[:: max(1, len(vectors) // SCALED_ON)] - centre) @ matrix
        return cls(matrix / np.sqrt((some**2).sum(axis=1).mean()), centre)

    def of(self, vectors: Vectors) -> Vectors:
        """(N, D) float32, not of unit length."""
        matrix, centre = self.matrix.astype(np.float32), self.centre.astype(np.float32)
        return np.asarray((vectors - centre) @ matrix, np.float32)

    def unfold(self, layer: LinearLayer) -> LinearLayer:
        """The layer on vectors before whitening that does what `layer` does after it."""
        weights = layer.weights @ self.matrix.T
        return LinearLayer(weights=weights, bias=layer.bias - weights @ self.centre)

    def fold(self, layer: LinearLayer) -> LinearLayer:
        """Inverse of `unfold`: the layer that does after whitening what `layer` does before it."""
        weights = np.linalg.solve(self.matrix, layer.weights.T).T.astype(np.float64, copy=False)
        return LinearLayer(weights=weights, bias=layer.bias + layer.weights @ self.centre)
