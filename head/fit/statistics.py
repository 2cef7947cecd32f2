"""The within-class covariance and its shrinkage, from one streaming pass over the vectors.

A pass accumulates, per part of the data (a cross-validation fold), what adds up: class
counts, class sums and the scatter about a common origin, in float64. Whatever is trained on
several parts is trained from the sum of their moments, so all folds together cost one pass.

The shrinkage is Ledoit and Wolf's (J. Multivariate Analysis 88, 2004) for vectors that were
centred on their class means. Beyond the scatter it needs the sum of the fourth powers of
the centred vectors' lengths, which depends on means that are known only at the end of the
pass; that sum is one more dot product per vector, over the array in memory.

Ledoit and Wolf's intensity minimises the error of the covariance, and is too small for
telling classes apart: on the shared sets 0.05 to 0.22, where 0.4 to 0.6 answers best. So it is
the lower bound, and how much more is settled by cross-validation.

Classes with a single reference have a centred vector of zero: they say nothing about the
spread and are left out of covariance and shrinkage (their mean is kept).

Vectors may be given by R coordinates in the space that they span (`head.fit.span`).

Shapes: N references, D dimensions, R coordinates, C classes, P parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
import numpy.typing as npt

from head.fit.features import FeatureMap
from holotype.references import Codes, Floats, Vectors

LEAST_SHRINKAGE = 1e-6
"""Keeps a covariance of less than full rank invertible."""

ORIGIN_OF = 4096
"""Vectors whose mean is the origin; any point near the middle will do."""

BLOCK_BYTES = 64 * 2**20
"""Vectors turned into float64 at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What adds up over references: of a part, or of several parts together."""

    origin: Floats
    """(D,) subtracted before anything is summed: keeps the scatter from cancelling."""
    counts: Floats
    """(C,) references per class."""
    sums: Floats
    """(C, D) sums of vectors less origin."""
    scatter: Floats
    """(D, D) sum of outer products of vectors less origin."""

    def __add__(self, other: Moments) -> Moments:
        """Moments of both sets together; they must share the origin."""
        return Moments(
            origin=self.origin,
            counts=self.counts + other.counts,
            sums=self.sums + other.sums,
            scatter=self.scatter + other.scatter,
        )

    @property
    def means(self) -> Floats:
        """(C, D) class means; the origin for a class without references."""
        return self.origin + self.sums / np.maximum(self.counts, 1)[:, None]


@dataclass(frozen=True, eq=False)  # no slots: they would leave no room for what is kept
class Spread:
    """A covariance, decomposed once for every shrinkage: these have its eigenvectors in common."""

    covariance: Floats
    """(R, R)."""

    @cached_property
    def _decomposed(self) -> tuple[Floats, Floats]:
        variances, axes = np.linalg.eigh(self.covariance)
        return np.maximum(variances, 0.0), axes

    @property
    def variances(self) -> Floats:
        """(R,) eigenvalues."""
        return self._decomposed[0]

    @property
    def axes(self) -> Floats:
        """(R, R) eigenvectors, as columns."""
        return self._decomposed[1]


@dataclass(frozen=True, slots=True, eq=False)
class WithinClass:
    """Class means and the pooled, shrunk within-class covariance, in R coordinates."""

    means: Floats
    """(C, R)."""
    counts: Floats
    """(C,)."""
    spread: Spread
    """Before shrinkage: mean outer product of vectors less their class mean."""
    shrinkage: float
    """In (0, 1]: the share of the scaled identity."""
    dimension: int
    """D of that identity; R of them are coordinates, outside of which nothing varies."""

    @property
    def covariance(self) -> Floats:
        """(R, R) before shrinkage."""
        return self.spread.covariance

    @property
    def centre(self) -> Floats:
        """(R,) mean of all references."""
        mean: Floats = self.counts @ self.means / self.counts.sum()
        return mean

    @property
    def mean_variance(self) -> float:
        """What the identity is scaled by: the mean of the covariance's D eigenvalues."""
        return float(np.trace(self.covariance)) / self.dimension

    @property
    def floor(self) -> float:
        """The variance that shrinkage gives every direction."""
        return self.shrinkage * self.mean_variance

    @property
    def shrunk(self) -> Floats:
        """(R, R) the covariance after shrinkage; positive definite."""
        shrunk = (1 - self.shrinkage) * self.covariance
        shrunk.flat[:: len(shrunk) + 1] += self.floor
        return shrunk

    @property
    def shrunk_variances(self) -> Floats:
        """(R,) its eigenvalues, along the axes of `spread`."""
        variances: Floats = (1 - self.shrinkage) * self.spread.variances + self.floor
        return variances

    def shrunk_at_least(self, shrinkage: float) -> WithinClass:
        """The same with more shrinkage, where it was less."""
        return replace(self, shrinkage=max(self.shrinkage, shrinkage))

    def without(self, vectors: Vectors, codes: Codes) -> WithinClass | None:
        """The same less whole classes: downdated, not taken anew, and shrunk as before.

        Args:
            vectors: (R, D) all references of those classes that these statistics were taken from.
            codes: (R,).

        Returns:
            None where no other class has references that differ.
        """
        counts = self.counts.copy()
        n = counts[counts > 1].sum()
        counts[codes] = 0
        left = counts[counts > 1].sum()
        if not left:
            return None
        centred = vectors - self.means[codes]
        covariance = (n * self.covariance - centred.T @ centred) / left
        rest = replace(self, counts=counts, spread=Spread(covariance))
        # What is smaller is what rounding left of a spread that was all in the classes taken out.
        if rest.mean_variance <= float(np.finfo(np.float32).eps) * self.mean_variance:
            return None
        return rest

    def whitening(self) -> Floats:
        """(R, R) W with W @ W.T the inverse of the shrunk covariance.

        Another W would differ by a rotation, which no distance or cosine sees.
        """
        whitening: Floats = self.spread.axes / np.sqrt(self.shrunk_variances)
        return whitening


def gather(
    vectors: Vectors,
    codes: Codes,
    parts: Codes,
    *,
    n_classes: int,
    features: FeatureMap = FeatureMap.PLAIN,
) -> dict[int, Moments]:
    """Moments of every part, in one pass.

    Args:
        vectors: (N, D) float32, before the feature map.
        codes: (N,) classes, 0 .. C - 1.
        parts: (N,) any small set of numbers, e.g. fold numbers.
        n_classes: C.
        features: applied to the vectors first.
    """
    origin = features.of(vectors[:ORIGIN_OF]).mean(axis=0, dtype=np.float64)
    found: dict[int, Moments] = {}
    for rows in blocks(*vectors.shape):
        shifted = features.of(vectors[rows]).astype(np.float64) - origin
        for part in np.unique(parts[rows]).tolist():
            mine = parts[rows] == part
            some = _moments(shifted[mine], codes[rows][mine], origin, n_classes)
            found[part] = found[part] + some if part in found else some
    return found


def total(moments: list[Moments]) -> Moments:
    """Moments of several parts together."""
    return reduce(lambda a, b: a + b, moments)


def within_class(
    moments: Moments,
    vectors: Vectors,
    codes: Codes,
    rows: npt.NDArray[np.bool_] | None = None,
    *,
    features: FeatureMap = FeatureMap.PLAIN,
    dimension: int | None = None,
) -> WithinClass | None:
    """Means, covariance and shrinkage of the references that `moments` were taken from.

    Args:
        moments: of the rows that are marked.
        vectors: (N, D), looked at once more for the shrinkage.
        codes: (N,).
        rows: (N,) which of the vectors the moments are of; None: all.
        features: applied to the vectors first, as the moments were.
        dimension: of the vectors whose coordinates these are; None: of these.

    Returns:
        None where the vectors of no class differ: there is no spread to learn.
    """
    spread = moments.counts > 1
    n = float(moments.counts[spread].sum())
    if n == 0:
        return None
    # Singletons' outer products cancel against their means', so all classes may be taken.
    weighted = moments.sums / np.sqrt(np.maximum(moments.counts, 1))[:, None]
    covariance = (moments.scatter - weighted.T @ weighted) / n
    dimension = dimension or len(covariance)
    mean_variance = float(np.trace(covariance)) / dimension
    if mean_variance <= float(np.finfo(np.float32).eps) ** 2:
        return None
    used = spread[codes] if rows is None else spread[codes] & rows
    fourth = _fourth_moment(vectors, codes, used, moments.means, features)
    shrinkage = _ledoit_wolf(covariance, fourth=fourth, n=n, d=dimension)
    # A covariance of full rank may have no need of shrinkage, others must be invertible.
    return WithinClass(
        means=moments.means,
        counts=moments.counts,
        spread=Spread(covariance),
        shrinkage=min(1.0, max(shrinkage, LEAST_SHRINKAGE)),
        dimension=dimension,
    )


def means_alone(vectors: Vectors, codes: Codes, *, n_classes: int) -> WithinClass:
    """Of (N, R) vectors of (N,) classes that do not spread."""
    counts = np.bincount(codes, minlength=n_classes).astype(np.float64)
    sums = np.zeros((n_classes, vectors.shape[1]))
    np.add.at(sums, codes, vectors)
    return WithinClass(
        means=sums / np.maximum(counts, 1)[:, None],
        counts=counts,
        spread=Spread(np.zeros((vectors.shape[1],) * 2)),
        shrinkage=1.0,
        dimension=vectors.shape[1],
    )


def blocks(n: int, dimension: int) -> Iterator[slice]:
    """Slices of N rows that take at most `BLOCK_BYTES` as float64."""
    size = max(1, BLOCK_BYTES // (8 * dimension))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _moments(shifted: Floats, codes: Codes, origin: Floats, n_classes: int) -> Moments:
    sums = np.zeros((n_classes, shifted.shape[1]))
    order = np.argsort(codes, kind="stable")
    present, first = np.unique(codes[order], return_index=True)
    sums[present] = np.add.reduceat(shifted[order], first, axis=0)
    return Moments(
        origin=origin,
        counts=np.bincount(codes, minlength=n_classes).astype(np.float64),
        sums=sums,
        scatter=shifted.T @ shifted,
    )


def _fourth_moment(
    vectors: Vectors,
    codes: Codes,
    used: npt.NDArray[np.bool_],
    means: Floats,
    features: FeatureMap,
) -> float:
    """Sum of the fourth powers of the lengths of class-centred vectors."""
    fourth = 0.0
    for rows in blocks(*vectors.shape):
        mine = used[rows]
        centred = features.of(vectors[rows][mine]) - means[codes[rows][mine]]
        fourth += float((np.einsum("nd,nd->n", centred, centred) ** 2).sum())
    return fourth


def _ledoit_wolf(covariance: Floats, *, fourth: float, n: float, d: int) -> float:
    """Shrinkage intensity from the covariance and the fourth moment.

    beta is the mean squared error of the covariance, delta its squared distance from the
    scaled identity, both per dimension (Ledoit and Wolf 2004, equations 14 and following).
    """
    squares = float((covariance**2).sum())
    mean = float(np.trace(covariance)) / d
    beta = (fourth / n - squares) / (d * n)
    delta = squares / d - mean**2
    return 0.0 if delta <= 0 or beta <= 0 else min(1.0, beta / delta)
