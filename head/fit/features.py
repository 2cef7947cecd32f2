"""What is done to a stored vector before anything is learned from it.

The store keeps what the encoder gave; a head says which map its numbers apply to. The
signed square root evens out vectors in which a few large components drown the others, as
those of networks that end in a ReLU (power normalisation: Perronnin, Sánchez and Mensink,
ECCV 2010). Which map serves a gallery is settled by cross-validation.

Shapes: N vectors, D dimensions.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from holotype.references import Vectors

LENGTH_FLOOR = 1e-12


class FeatureMap(StrEnum):
    """The maps that exist; each takes unit rows to unit rows."""

    PLAIN = "plain"
    """The vector as it is stored."""
    ROOT = "root"
    """Signed square root of each component, then unit length again."""

    def of(self, vectors: Vectors) -> Vectors:
        """(N, D) float32 unit rows for (N, D) unit rows; `PLAIN` copies nothing."""
        if self is FeatureMap.PLAIN:
            return np.asarray(vectors, np.float32)
        rooted = np.sqrt(np.abs(vectors), dtype=np.float32)
        np.copysign(rooted, vectors, out=rooted)
        rooted /= np.maximum(np.linalg.norm(rooted, axis=1, keepdims=True), LENGTH_FLOOR)
        return rooted
