"""What the references of each class span, before whitening: a flat through the origin.

A query lies nearer to a flat than to the mean of the same references where these differ in ways
that they do not share: in pose, light or part. The square of the cosine between a query x and
what n unit rows X of a class span is x X' (X X' + ridge)^-1 X x', of whose directions the first
few are kept. Only a gate looks at it (`head.trust.gate`).

Shapes: N queries, P classes, R rows, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holotype.references import Codes, Vectors

RIDGE = 0.1
"""What a direction's strength is drawn down by: one reference's is 1."""

DIRECTIONS = 8
"""Of a flat. With 4 a gate gains half as much, with 25 no more than with 8 (`docs/LAB.md`)."""

ROWS = 2048
"""Of all trained classes together: where there are many, each has fewer directions."""

SPANNED_BY = 48
"""References of a trained class, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Flats:
    """Of P classes."""

    rows: Vectors
    """(R, D) float32, class by class: the squares of a query's products with them add up."""
    sizes: Codes
    """(P,) rows of each class, at least one."""

    @classmethod
    def of_classes(cls, mapped: Vectors, codes: Codes, rows: Codes) -> Flats:
        """Of trained classes, in the order of their codes.

        Args:
            mapped: (S, D) unit rows after the feature map.
            codes: (S,) their classes.
            rows: which of them to take.
        """
        rows = rows[np.argsort(codes[rows], kind="stable")]
        classes = np.split(rows, np.flatnonzero(np.diff(codes[rows])) + 1)
        directions = max(1, min(DIRECTIONS, ROWS // len(classes)))
        some = [own[:: -(-len(own) // SPANNED_BY)] for own in classes]
        return cls.joined([spanned(mapped[own], directions) for own in some])

    @classmethod
    def joined(cls, flats: Sequence[Vectors]) -> Flats:
        """From the rows of each class (see `spanned`)."""
        return cls(np.concatenate(flats), np.array([len(flat) for flat in flats]))

    def split(self) -> list[Vectors]:
        """Inverse of `joined`."""
        return np.split(self.rows, np.cumsum(self.sizes)[:-1])

    def nearness(self, queries: Vectors) -> Vectors:
        """(N, P) squared cosines in [0, 1] of unit rows (N, D)."""
        starts = np.cumsum(self.sizes) - self.sizes
        squares: Vectors = np.add.reduceat((queries @ self.rows.T) ** 2, starts, axis=1)
        return squares


def spanned(mapped: npt.NDArray[np.floating], directions: int = DIRECTIONS) -> Vectors:
    """(R, D) the strongest directions of unit rows (n, D), each scaled by what the ridge leaves."""
    rows = np.asarray(mapped, np.float32)
    strengths, vectors = np.linalg.eigh(rows @ rows.T)
    scaled = vectors[:, -directions:] / np.sqrt(np.maximum(strengths[-directions:], 0) + RIDGE)
    flat: Vectors = scaled.T @ rows
    return flat
