"""The learned metric: a space whitened by the within-class covariance.

Directions along which references of one class differ (pose, focus, lighting) are shrunk,
those that tell classes apart are kept: within-class covariance normalisation (Hatch,
Kajarekar and Stolcke, Interspeech 2006). Vectors are taken relative to the gallery's mean,
and cosine is taken after whitening.

Shapes: D dimensions, N vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.fit.features import LENGTH_FLOOR, FeatureMap
from holotype.references import Vectors

if TYPE_CHECKING:
    from head.fit.statistics import WithinClass


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """Map, subtract a centre, multiply by a matrix, scale to unit length."""

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
