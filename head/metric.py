"""The learned metric: a space whitened by the within-class covariance.

Directions along which references of one class differ (pose, focus, lighting) are shrunk,
those that tell classes apart are kept: within-class covariance normalisation (Hatch,
Kajarekar and Stolcke, Interspeech 2006). Cosine is taken after whitening.

Shapes: D dimensions, N vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holotype.references import Vectors

Floats = npt.NDArray[np.float64]

LENGTH_FLOOR = 1e-12
"""A vector that lies exactly on the centre has no direction; this keeps it finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """Subtract a centre, multiply by a matrix, scale to unit length."""

    matrix: Vectors
    """(D, D) float32: `matrix @ matrix.T` is the inverse of the within-class covariance."""
    centre: Vectors
    """(D,) float32; zeros leave vectors where they are."""

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.centre)

    def whiten(self, vectors: Vectors) -> Vectors:
        """Unit rows in the whitened space: (N, D) for (N, D). Their dot product is the cosine."""
        placed = self.place(vectors)
        lengths = np.linalg.norm(placed, axis=1, keepdims=True)
        unit: Vectors = placed / np.maximum(lengths, LENGTH_FLOOR)
        return unit

    def place(self, vectors: Vectors) -> Vectors:
        """The whitened vectors before scaling: Euclidean distance here is Mahalanobis'."""
        placed: Vectors = (np.asarray(vectors, np.float32) - self.centre) @ self.matrix
        return placed
