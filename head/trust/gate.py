"""Whether a query is of a class that the head was not trained on, or on too few references.

Such a newcomer is not met like a class that was trained: how near its pictures come to the mean
of one, two or ten references, and how far from the known classes they lie, is a matter of the
gallery, so every retrain rehearses it (`head.trust.rehearsal`). The gate is what it learned: the
logarithm of the odds that the newcomer is meant and none of the known classes, from four
cosines:

- in the whitened space, to the newcomer's mean and to the nearest mean of a known class;
- before whitening, which hides directions that no known class uses, to what the newcomer's
  references span and to the nearest flat of a known class, squared (`head.trust.flats`); or to
  the means here, too, where that explains the rehearsal clearly better (and in gates of before).

More of them (nearest references, second classes, margins) gained nothing (`docs/LAB.md`).

Shapes: N queries, P newcomers, C known classes, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from head.fit.features import LENGTH_FLOOR
from head.fit.whitening import Metric
from head.trust.flats import Flats
from holotype.references import Floats, Vectors

HALF_SURE = 0.5
"""References at which the odds of a newcomer count half: what a class of one is like is the
least certain, so its scores keep nearer to even ones."""

HALF_SURE_BEFORE_IT_WAS_STORED: Final = 0.5
"""What gates were learned with while none said with what. History: it never changes."""

NEW: Final = 3
NEAR: Final = 4
"""Of a gate's coefficients: those of the whitened cosines, to the newcomer and to the nearest
known class."""

NEAR_OF_TWO: Final = (0.24, 0.16)
"""Mean and spread of the latter where two classes were trained and others came, in 30 real
galleries (`docs/LAB.md`)."""

FORMER_SPREAD_OF_TWO: Final = 0.05
TOO_STEEP: Final = -20.0
"""With this spread, about a mean of 0, gates of two classes were learned: their coefficient is
below -20. History: it never changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Points for a gate: queries, or the means of classes."""

    placed: Vectors
    """(N, D) unit rows in the whitened space."""
    plain: Vectors
    """(N, D) unit rows before whitening."""
    flats: Flats | None = None
    """Of the N classes; None for queries, and in heads of before there were any."""

    @classmethod
    def of(
        cls, metric: Metric, mapped: npt.NDArray[np.floating], flats: Flats | None = None
    ) -> Landmarks:
        """From (N, D) rows after the feature map."""
        rows = np.asarray(mapped, np.float32)
        return cls.at(metric.place_mapped(rows), rows, flats)

    @classmethod
    def at(
        cls,
        placed: npt.NDArray[np.floating],
        mapped: npt.NDArray[np.floating],
        flats: Flats | None = None,
    ) -> Landmarks:
        """From (N, D) rows after and before whitening, of any length."""
        return cls(_unit(placed), _unit(mapped), flats)

    def plain_nearness(self, queries: Landmarks) -> Vectors:
        """(Q, N) how near queries come to each class before whitening."""
        flats = self.flats
        return queries.plain @ self.plain.T if flats is None else flats.nearness(queries.plain)


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """Learned at a retrain, stored with the head."""

    coefficients: Floats
    """(7,) of 1, 1 / sqrt(references), 1 / references, and the four cosines."""
    asked: int
    """References that it was rehearsed on: no odds are higher than these support."""
    half_sure: float = HALF_SURE
    """References at which the odds count half."""
    flats: bool = False
    """Whether it was learned with flats: of classes without, it looks at the means."""

    def log_odds(
        self, queries: Landmarks, *, newcomers: Landmarks, counts: Floats, known: Landmarks
    ) -> Floats:
        """(N, P) that a query is of that newcomer rather than of any known class.

        Args:
            queries: N of them.
            newcomers: P means.
            counts: (P,) references that each is the mean of.
            known: C means.
        """
        seen = cosines(queries, newcomers, nearest(queries, known))
        odds = design(seen, counts) @ self.coefficients
        odds *= counts / (counts + self.half_sure)
        # All of a query's odds together, or several newcomers at the bound would tie.
        too_high = odds.max(axis=1, keepdims=True) - np.log(self.asked + 1)
        return np.asarray(odds - np.maximum(too_high, 0.0))

    def mended(self) -> Gate:
        """Of a head of two classes, which hardly found any other before `NEAR_OF_TWO`."""
        if self.coefficients[NEAR] > TOO_STEEP:
            return self
        mean, spread = NEAR_OF_TWO
        coefficients = self.coefficients.copy()
        coefficients[NEAR] *= FORMER_SPREAD_OF_TWO / spread
        coefficients[0] -= coefficients[NEAR] * mean
        return replace(self, coefficients=coefficients)

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "coefficients": self.coefficients.tolist(),
            "asked": self.asked,
            "half_sure": self.half_sure,
            "flats": self.flats,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Gate:
        """Inverse of `to_json`."""
        return cls(
            np.array(data["coefficients"], dtype=np.float64),
            asked=int(data["asked"]),
            half_sure=float(data.get("half_sure", HALF_SURE_BEFORE_IT_WAS_STORED)),
            flats=bool(data.get("flats", False)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Gated:
    """The newcomers of a head, told from its trained classes by its gate."""

    gate: Gate
    metric: Metric
    known: Landmarks
    """The C trained classes."""
    newcomers: Landmarks
    """P."""
    counts: Floats
    """(P,) references of each."""

    def share(self, mapped: Vectors) -> Floats:
        """(N, P) probability of each newcomer for vectors after the feature map."""
        odds = self.gate.log_odds(
            Landmarks.of(self.metric, mapped),
            newcomers=self.newcomers,
            counts=self.counts,
            known=self.known,
        )
        highest = np.maximum(odds.max(axis=1, keepdims=True), 0.0)
        shares = np.exp(odds - highest)
        share: Floats = shares / (shares.sum(axis=1, keepdims=True) + np.exp(-highest))
        return share


def nearest(queries: Landmarks, known: Landmarks) -> Vectors:
    """(N, 2) how near queries come to a known class, after and before whitening."""
    placed = queries.placed @ known.placed.T
    return np.stack([placed.max(axis=1), known.plain_nearness(queries).max(axis=1)], axis=1)


def cosines(queries: Landmarks, newcomers: Landmarks, near: Vectors) -> Floats:
    """(N, P, 4) what a gate looks at; `near` as `nearest` gives it."""
    new, plain_new = queries.placed @ newcomers.placed.T, newcomers.plain_nearness(queries)
    seen = np.broadcast_arrays(new, near[:, :1], plain_new, near[:, 1:])
    return np.stack(seen, axis=2).astype(np.float64)


def design(seen: Floats, counts: npt.ArrayLike) -> Floats:
    """(N, P, 7) what the coefficients are of, for cosines (N, P, 4) and counts (P,)."""
    few = np.broadcast_to(1 / np.asarray(counts, np.float64), seen.shape[:2])[..., None]
    return np.concatenate([np.ones_like(few), np.sqrt(few), few, seen], axis=2)


def _unit(rows: npt.NDArray[np.floating]) -> Vectors:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), LENGTH_FLOOR)
    return np.asarray(rows / lengths, np.float32)
