"""Is a query of a class that is not in the gallery? A score, and what is usual.

The score adds two views of the distance to the nearest class:

- in the whitened space, the squared distance to the nearest class mean as a share of the
  squared distance to the gallery's centre: how much of what makes the query special the
  nearest class leaves unexplained;
- before whitening, the squared distance to the nearest class mean in units of the mean
  squared distance of references from their own: whitening hides directions along which
  references hardly differ, and strangers use them.

On the shared sets, with a fifth of the classes held out, it tells strangers from known
queries with an AUROC of 0.90 / 0.86 / 0.76, the largest softmax probability with 0.79 / 0.72
/ 0.73 (pollen, clothing, plankton; `docs/LAB.md`).

Shapes: Q queries, C classes, D dimensions, M scored references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from head.fit.span import Span
from head.fit.whitening import Metric
from head.trust.conformal import LEVELS
from holotype.references import Floats, Vectors

if TYPE_CHECKING:
    from head.choice.cross_validation import CrossValidation
    from head.fit.statistics import WithinClass


OUTSIDE_WEIGHT = 0.15
"""Of the second view. Anything from 0.1 to 0.2 does as well on the shared training parts."""

WEIGHT_BEFORE_IT_WAS_STORED: Final = 0.15
"""What `usual` was found with while no head said with what. History: it never changes."""


@dataclass(frozen=True, eq=False)  # no slots: they would leave no room for what is kept
class Novelty:
    """Scores queries against the class means of a head."""

    metric: Metric
    means: Vectors
    """(C, D) class means, after the feature map."""
    spread: float
    """Mean squared distance of references from their class mean, after the feature map."""
    usual: tuple[float, ...] = ()
    """The score that this share (`LEVELS`) of known queries stays below."""
    outside_weight: float = OUTSIDE_WEIGHT
    """Of the second view, in the score that `usual` is about."""

    @classmethod
    def of(
        cls,
        within: WithinClass,
        metric: Metric,
        usual: Sequence[float] = (),
        span: Span | None = None,
    ) -> Novelty:
        """From the statistics that the metric was made of, in the coordinates of `span`."""
        present, span = within.counts > 0, span or Span()
        return cls(
            metric=metric,
            means=span.vectors(within.means[present]).astype(np.float32),
            spread=float(np.trace(within.covariance)),
            usual=tuple(usual),
        )

    def score(self, vectors: Vectors) -> Floats:
        """(Q,) how strange (Q, D) unit rows are; higher is stranger."""
        mapped = self.metric.features.of(vectors)
        placed = self.metric.place_mapped(mapped)
        unexplained = self._placed_means.nearest(placed) / np.maximum(_squares(placed), TINY)
        outside = self._plain_means.nearest(mapped) / self.spread
        return np.asarray(unexplained + self.outside_weight * outside, np.float64)

    def stranger_than(self, scores: Floats) -> Floats:
        """(Q,) the share of known queries that are less strange: the highest of `LEVELS`, else 0.

        N references that were scored support no share above N / (N + 1): of fewer than 99,
        nothing is stranger than 99 %.
        """
        if not self.usual:
            return np.zeros(len(scores))
        return np.array((0.0, *LEVELS))[np.searchsorted(self.usual, scores)]

    def tells(self, share: float) -> bool:
        """Whether enough references were scored for a query to be stranger than this share."""
        known = dict(zip(LEVELS, self.usual, strict=False))
        return any(level >= share and usual < BEYOND for level, usual in known.items())

    def to_json(self) -> dict[str, Any]:
        """The numbers that no block of the head holds."""
        return {
            "spread": self.spread,
            "usual": list(self.usual),
            "outside_weight": self.outside_weight,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, metric: Metric, means: Vectors) -> Novelty:
        """Inverse of `to_json`, with the head's metric and class means."""
        return cls(
            metric,
            means,
            float(data["spread"]),
            tuple(map(float, data["usual"])),
            float(data.get("outside_weight", WEIGHT_BEFORE_IT_WAS_STORED)),
        )

    @cached_property
    def _plain_means(self) -> _Landmarks:
        return _Landmarks.of(self.means)

    @cached_property
    def _placed_means(self) -> _Landmarks:
        # Whitening 1,000 means takes 4 ms, a search in an index as long: not at every query.
        return _Landmarks.of(self.metric.place_mapped(self.means))


@dataclass(frozen=True, slots=True, eq=False)
class _Landmarks:
    """Points, and what their distances from many queries have in common."""

    points: Vectors
    """(C, D)."""
    squares: Vectors
    """(C,) squared length of each."""

    @classmethod
    def of(cls, points: Vectors) -> _Landmarks:
        return cls(points, _squares(points))

    def nearest(self, vectors: Vectors) -> Vectors:
        """(Q,) squared distance of each vector (Q, D) to the nearest point."""
        squared = self.squares - 2 * (vectors @ self.points.T)
        return np.asarray(np.maximum(squared.min(axis=1) + _squares(vectors), 0.0))


TINY = float(np.finfo(np.float32).tiny)
BEYOND: Final = float(np.finfo(np.float32).max)
"""What no query is as strange as."""


def usual_scores(search: CrossValidation) -> list[float]:
    """Scores that known queries stay below, from references scored without their fold."""
    scores = [
        Novelty.of(fold.within, _metric_of_mapped(fold.within)).score(search.vectors[fold.scored])
        for fold in search.folds
        if fold.within is not None
    ]
    if not scores:
        return []
    ascending = np.sort(np.concatenate(scores))
    n = len(ascending)
    ranks = np.ceil((n + 1) * np.array(LEVELS)).astype(int)
    # Where there are too few references for a level, nothing is strange at that level.
    return [float(ascending[rank - 1]) if rank <= n else BEYOND for rank in ranks]


def _metric_of_mapped(within: WithinClass) -> Metric:
    from head.fit.features import FeatureMap

    return Metric.of(within, FeatureMap.PLAIN)  # the search's vectors are mapped already


def _squares(rows: Vectors) -> Vectors:
    """(N,) squared length of each row (N, D)."""
    return np.asarray((rows**2).sum(axis=1))
