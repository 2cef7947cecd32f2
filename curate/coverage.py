"""Which pictures stand best for the others, some of which matter more.

A picture covers another by `exp(-d^2 / s^2)` of their distance. The coverage of all is the sum,
over pictures, of what each is worth times how well the best of those that were chosen, or of the
references, covers it. It has diminishing returns, so taking the picture that adds most, again
and again, comes within 1 - 1/e of the best choice (Nemhauser, Wolsey and Fisher, 1978). Where
every picture is worth the same this is coverage alone (MaxHerding, Bae et al., ECCV 2024), where
it is worth its uncertainty it is uncertainty herding (Bae, Oliveira and Sutherland, 2024, arXiv
2412.20644).

Shapes: U pictures, L of them looked at, N references, D dimensions.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from head.data.duplicates import NEAR_DUPLICATE, TWIN_SHARE
from head.fit.features import LENGTH_FLOOR
from holotype.knn import nearest
from holotype.references import Codes, Floats, Vectors

LOOKED_AT = 4_000
"""Pictures whose coverage is counted; of more, a sample. Any may be chosen."""

NEIGHBOUR = 5
"""The scale is the median distance to this neighbour ..."""

SCALE = 2.0
"""... squared, times this. From 1.5 to 3 does as well (`docs/LAB.md`)."""

LEAST_SCALE = 1e-6

COVERED = 0.5
"""From here on a picture counts as covered, for people."""

BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """A picture that was chosen, and what that adds."""

    row: int
    covers: int
    """Pictures that nothing covered before, itself among them."""
    gain: float
    """Coverage that it adds, in pictures of mean worth."""


class Coverage:
    """The pictures, and how well the references cover them."""

    def __init__(self, vectors: Vectors, references: Vectors, *, seed: int = 0) -> None:
        """Compare (U, D) unit rows of pictures, U at least 1, with (N, D) of references."""
        self._vectors = vectors
        rng = np.random.default_rng(seed)
        self.looked_at: Codes = np.sort(_sample(rng, len(vectors)))
        """(L,) rows of the pictures whose coverage is counted."""
        some = references[np.sort(_sample(rng, len(references)))]
        centre = np.concatenate([vectors[self.looked_at], some]).mean(axis=0)
        self._placed = _placed(vectors, centre)
        self._looked = self._placed[self.looked_at]
        self._scale = _scale(self._looked, _placed(some, centre))
        self._by_references = np.zeros(len(vectors), np.float32)
        if len(references):
            closest = nearest(self._placed, _placed(references, centre), r=1).similarities[:, 0]
            self._by_references = self._kernel(closest)
        self._twin = _twin_threshold(vectors[self.looked_at])

    @property
    def by_references(self) -> npt.NDArray[np.float32]:
        """(U,) in [0, 1]: how well the best reference covers each picture."""
        return self._by_references

    def choose(self, worth: Floats, n: int) -> Iterator[Chosen]:
        """The n pictures that add most, best first; fewer where the others are their twins.

        Args:
            worth: (L,) of the pictures that are looked at, mean 1.
            n: how many.
        """
        covered = self._by_references[self.looked_at].copy()
        share = len(self._vectors) / len(self.looked_at)
        free = np.ones(len(self._vectors), bool)
        # What a picture adds only falls while others are chosen: an old figure is a bound.
        bounds = [(-gain, row) for row, gain in enumerate(self._gains(worth, covered).tolist())]
        heapq.heapify(bounds)
        while n and bounds:
            _, row = heapq.heappop(bounds)
            if not free[row]:
                continue
            reach = self._reach(row)
            gain = _gain(reach, worth, covered)
            if bounds and -gain > bounds[0][0]:
                heapq.heappush(bounds, (-gain, row))
                continue
            newly = np.count_nonzero((reach >= COVERED) & (covered < COVERED))
            yield Chosen(row, max(1, round(share * int(newly))), share * gain)
            n -= 1
            covered = np.maximum(covered, reach)
            free[self._vectors @ self._vectors[row] > self._twin] = False
            free[row] = False

    def _gains(self, worth: Floats, covered: npt.NDArray[np.float32]) -> Floats:
        """(U,) what each picture would add."""
        found = np.empty(len(self._placed))
        for start in range(0, len(found), BLOCK):
            reach = self._kernel(self._placed[start : start + BLOCK] @ self._looked.T)
            np.maximum(reach - covered, 0, out=reach)
            found[start : start + BLOCK] = reach @ worth
        return found

    def _reach(self, row: int) -> npt.NDArray[np.float32]:
        """(L,) how well one picture covers those that are looked at."""
        return self._kernel(self._looked @ self._placed[row])

    def _kernel(self, cosines: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        covers: npt.NDArray[np.float32] = np.exp((cosines - 1) * np.float32(2 / self._scale))
        return covers


def _gain(reach: npt.NDArray[np.float32], worth: Floats, covered: npt.NDArray[np.float32]) -> float:
    return float(np.maximum(reach - covered, 0) @ worth)


def _sample(rng: np.random.Generator, n: int) -> Codes:
    rows: Codes = rng.permutation(n)[:LOOKED_AT]
    return rows


def _placed(vectors: Vectors, centre: Vectors) -> Vectors:
    """Unit rows as seen from the centre."""
    shifted = vectors - centre
    lengths = np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), LENGTH_FLOOR)
    return np.asarray(shifted / lengths, np.float32)


def _scale(looked: Vectors, references: Vectors) -> float:
    """s^2, from the squared distances of pictures to a near neighbour."""
    everything = np.concatenate([looked, references])
    found = nearest(looked, everything, r=NEIGHBOUR + 1)  # the first one is itself
    squared = 2 - 2 * float(np.median(found.similarities[:, -1]))
    return max(SCALE * squared, LEAST_SCALE)


def _twin_threshold(vectors: Vectors) -> float:
    """Cosine above which two are pictures of the same thing, as `head.data.duplicates` has it."""
    some = vectors[:512]
    usual = np.median(1 - (some @ some.T)[np.triu_indices(len(some), k=1)]) if len(some) > 1 else 0
    return max(NEAR_DUPLICATE, 1 - TWIN_SHARE * float(usual))
