"""Figures of what was measured, with paired bootstrap intervals.

The splits of a set share pictures, so they are no independent draws. What is resampled is
groups of pictures (near-duplicates together): an interval says how much a figure would move
with other pictures of the same kind. Sets are resampled each by itself and weigh the same.

Shapes: Q queries, G groups, B resamplings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.features import Features
from benchmarks.accuracy.measure import Measured
from holotype.references import Floats

RESAMPLINGS = 2000
CHANCE_DRAWS = 200
BINS = 15
"""Of equal width, as in Guo et al. (ICML 2017)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def points(self) -> str:
        """In percentage points, signed."""
        return f"{100 * self.value:+.1f} ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """The random splits of one set together."""

    features: Features
    splits: tuple[Measured, ...]

    def accuracy(self, way: str) -> float:
        """Mean over the splits."""
        return float(np.mean([split.found[way]["right"].mean() for split in self.splits]))

    def accuracies(self, way: str) -> list[float]:
        """Of each split."""
        return [float(split.found[way]["right"].mean()) for split in self.splits]

    def macro_accuracy(self, way: str) -> float:
        """Mean over classes, then over the splits."""
        return float(np.mean([self._macro(split, way) for split in self.splits]))

    def all(self, way: str, figure: str) -> npt.NDArray[np.generic]:
        """(Q,) of all splits, one after the other."""
        return np.concatenate([split.found[way][figure] for split in self.splits])

    def difference(self, way: str, other: str) -> Floats:
        """(1 + B,) accuracy of `way` less that of `other`; the first as it is."""
        groups = self.features.groups
        n_groups = int(groups.max()) + 1
        gained, asked = np.zeros(n_groups), np.zeros(n_groups)
        for split in self.splits:
            better = split.found[way]["right"].astype(int) - split.found[other]["right"]
            np.add.at(gained, groups[split.queries], better)
            np.add.at(asked, groups[split.queries], 1)
        drawn = np.random.default_rng(0).multinomial(
            n_groups, np.full(n_groups, 1 / n_groups), size=RESAMPLINGS
        )
        weights = np.concatenate([np.ones((1, n_groups)), drawn])
        differences: Floats = (weights @ gained) / (weights @ asked)
        return differences

    def _macro(self, split: Measured, way: str) -> float:
        codes = self.features.codes[split.queries]
        right = split.found[way]["right"]
        return float(np.mean([right[codes == c].mean() for c in np.unique(codes)]))


def paired(sets: Sequence[Pooled], way: str, other: str) -> Interval:
    """Mean difference over the sets."""
    return _interval(np.mean([pooled.difference(way, other) for pooled in sets], axis=0))


def _interval(draws: Floats) -> Interval:
    low, high = np.quantile(draws[1:], [0.025, 0.975])
    return Interval(float(draws[0]), float(low), float(high))


def calibration_error(confidence: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over bins."""
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    number = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(number, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def error_if_perfect(confidence: npt.ArrayLike) -> float:
    """The calibration error that perfectly calibrated answers show by chance, in the mean.

    So few queries fill a bin that its accuracy strays from its confidence.
    """
    confidence = np.asarray(confidence, float)
    draws = np.random.default_rng(0).random((CHANCE_DRAWS, len(confidence))) < confidence
    return float(np.mean([calibration_error(confidence, right) for right in draws]))


def binomial_interval(n: int, share: float) -> tuple[float, float]:
    """95 % of the shares that n draws of this probability give."""
    from scipy.stats import binom

    low, high = binom.interval(0.95, n, share)
    return float(low / n), float(high / n)


def auroc(measured: Sequence[Measured], way: str) -> float:
    """Mean over draws: how often a stranger scores higher than a known query."""
    from sklearn.metrics import roc_auc_score

    return float(
        np.mean(
            [
                roc_auc_score(~found["known"], found["strangeness"])
                for found in (draw.found[way] for draw in measured)
            ]
        )
    )


def mean_of(values: Mapping[str, float]) -> float:
    """Every set weighs the same."""
    return float(np.mean(list(values.values())))
