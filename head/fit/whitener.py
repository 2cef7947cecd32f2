"""The map into the whitened space for training, and back.

Shapes: N vectors, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from head.fit.lda import LinearLayer
from head.fit.statistics import WithinClass
from holotype.references import Floats, Vectors

SCALED_ON = 4096
"""Vectors that the mean square length is taken over."""

BLOCK_ROWS = 8192


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
