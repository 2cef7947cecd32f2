"""Few vectors in few coordinates.

N vectors of D > N dimensions lie in a space of N dimensions. A rotation into it changes no
distance, no angle and no eigenvalue, so everything that is learned from them is learned there,
where a decomposition takes (N / D)^3 of the time, and is rotated back at the end. What is learned
is zero outside of it, but for a covariance's shrinkage: that knows all D dimensions.

Shapes: N vectors, D dimensions, R coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from head.fit.lda import LinearLayer
from holotype.references import Floats, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """A rotation between vectors and their coordinates; none where vectors are many."""

    basis: Floats | None = None
    """(R, D) orthonormal rows; None: the coordinates are the dimensions."""

    @classmethod
    def of(cls, vectors: Vectors) -> Span:
        """Of (N, D) vectors."""
        if len(vectors) >= vectors.shape[1]:
            return cls()
        return cls(np.linalg.qr(vectors.T.astype(np.float64))[0].T)

    def coordinates(self, vectors: Vectors) -> Vectors:
        """(N, R) float32 of (N, D) vectors in the span."""
        if self.basis is None:
            return vectors
        return np.asarray(vectors @ self.basis.T.astype(np.float32), np.float32)

    def vectors(self, coordinates: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Inverse of `coordinates`."""
        return coordinates if self.basis is None else coordinates @ self.basis

    def layer(self, layer: LinearLayer) -> LinearLayer:
        """The layer that does to vectors what this one does to their coordinates."""
        return layer if self.basis is None else replace(layer, weights=layer.weights @ self.basis)

    def matrix(self, matrix: Floats, *, outside: float) -> Floats:
        """(D, D) that does what `matrix` (R, R) does in the span, and scales what is outside."""
        if self.basis is None:
            return matrix
        inside = matrix.copy()
        inside.flat[:: len(inside) + 1] -= outside
        whole: Floats = self.basis.T @ inside @ self.basis
        whole.flat[:: len(whole) + 1] += outside
        return whole
