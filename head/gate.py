"""Whether a query is of a class that came after the training: a gate, rehearsed at the retrain.

A class that arrives with few references is not met like one that was trained: how near its
pictures come to the mean of one, two or ten references, and how far from the known classes they
lie, is a matter of the gallery. So the retrain rehearses it. In every round some classes are
left out of statistics and metric and given back with 1, 2, 3, 5 and 10 references, and the rest
of their references are asked, together with held-out references of the others. A logistic
regression learns from four cosines when the newcomer is meant:

- in the whitened space, to the newcomer's mean and to the nearest mean of a known class;
- the same two before whitening, which hides directions that no known class uses.

What differs between galleries is mostly where these cosines lie and how far they spread: once
standardised, the coefficients of the three development sets agree, and serve as the prior
(`docs/LAB.md`). So a gallery of few classes has a gate, too.

Shapes: N queries, P newcomers, C known classes, D dimensions, R rows of the rehearsal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from head.features import LENGTH_FLOOR, FeatureMap
from head.metric import Metric

if TYPE_CHECKING:

    from head.search import Fold, Search
    from head.statistics import WithinClass
    from holotype.references import Vectors

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

REHEARSED = (1, 2, 3, 5, 10)
"""References that a class is given back with."""

ROUNDS = 8
"""Each has a metric of its own."""

PER_ROUND = 4
"""Classes that are left out together, at most."""

DRAWS = 2
"""Choices of references for each number of them."""

ASKED_AT_MOST = 300
"""References of known classes, and of the class itself, that are asked in a round."""

PRIOR = (-1.9, 2.6, 0.8, 2.6, -1.25, 1.6, -1.15)
"""Coefficients that the development sets have in common: 1, 1 / sqrt(m), 1 / m, then those of
the four cosines, standardised; where newcomers are asked for as often as all others."""

OFTEN = 0.3
"""Divided by the root of the number of classes: how often a newcomer is meant, to one query of
the others. It keeps what others lose to one newcomer below a point (`docs/LAB.md`)."""

NEWTON_STEPS = 50

PRIOR_WEIGHT = 0.5
"""In cells of the rehearsal (a class given back with a number of references)."""


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Where classes lie, for the cosines of a gate."""

    placed: Vectors
    """(C, D) unit rows in the whitened space."""
    plain: Vectors
    """(C, D) unit rows before whitening."""

    @classmethod
    def of(cls, metric: Metric, means: npt.NDArray[np.floating]) -> Landmarks:
        """Of class means (C, D) after the feature map."""
        return cls(_unit(metric.place_mapped(np.asarray(means, np.float32))), _unit(means))

    def seen_from(self, queries: Landmarks) -> tuple[Vectors, Vectors]:
        """(N, C) cosines to N queries, whitened and plain."""
        return queries.placed @ self.placed.T, queries.plain @ self.plain.T


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """The logarithm of the odds that a query is of a newcomer and not of a known class."""

    coefficients: Floats
    """(7,) of 1, 1 / sqrt(m), 1 / m and the four cosines."""

    def log_odds(
        self, queries: Landmarks, *, newcomers: Landmarks, counts: Floats, known: Landmarks
    ) -> Floats:
        """(N, P) for N queries.

        Args:
            queries: the N, as landmarks.
            newcomers: P of them.
            counts: (P,) references of each.
            known: the C trained classes.
        """
        return _design(_cosines(queries, newcomers, known), counts) @ self.coefficients

    def to_json(self) -> list[float]:
        """JSON form."""
        return [float(c) for c in self.coefficients]

    @classmethod
    def from_json(cls, data: Any) -> Gate:
        """Inverse of `to_json`."""
        return cls(np.array(data, dtype=np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """A class given back with m references, and what was asked then."""

    design: Floats
    """(R, 7)."""
    newcomer: npt.NDArray[np.bool_]
    """(R,) whether the query was of that class."""


def rehearse(search: Search, groups: Codes, *, seed: int = 0) -> Gate | None:
    """Learn a gate from the references of a search; None where no class can be left out.

    Args:
        search: with the statistics of its folds.
        groups: (S,) of its references.
        seed: the same seed gives the same gate.
    """
    rng = np.random.default_rng(seed)
    cells = [
        cell
        for fold, out in _rounds(search, rng)
        for cell in _round(search, groups, fold, out, rng)
    ]
    return _fit(cells, n_classes=search.n_classes) if cells else None


def _rounds(search: Search, rng: np.random.Generator) -> Iterator[tuple[Fold, Codes]]:
    """A fold, and the classes that are left out, for every round."""
    sizes = np.bincount(search.codes[search.plan.scored], minlength=search.n_classes)
    classes = rng.permutation(np.flatnonzero(sizes > 1))
    per_round = min(PER_ROUND, -(-len(classes) // ROUNDS))
    for i in range(ROUNDS if len(classes) and search.folds else 0):
        out = classes.take(np.arange(i * per_round, (i + 1) * per_round), mode="wrap")
        yield search.folds[i % len(search.folds)], np.unique(out)


def _round(
    search: Search, groups: Codes, fold: Fold, out: Codes, rng: np.random.Generator
) -> Iterator[_Cell]:
    leaving = np.isin(search.codes, out)
    left = fold.trained & leaving
    within = fold.within and fold.within.without(search.vectors[left], search.codes[left])
    others = _some(np.flatnonzero(fold.scored & ~leaving), rng)
    if within is None or not len(others):
        return
    metric = Metric.of(within, FeatureMap.PLAIN)  # the search's vectors are mapped already
    known = Landmarks.of(metric, within.means[within.counts > 0])
    asked = Landmarks.of(metric, search.vectors[others])
    for c in out.tolist():
        own = np.flatnonzero(search.codes == c)
        for m in REHEARSED * DRAWS:
            given = rng.permutation(own)[:m]
            rest = _some(own[~np.isin(groups[own], groups[given])], rng)
            if len(given) < m or not len(rest):
                continue
            newcomer = Landmarks.of(metric, search.vectors[given].mean(axis=0, keepdims=True))
            cosines = [
                _cosines(queries, newcomer, known)
                for queries in (Landmarks.of(metric, search.vectors[rest]), asked)
            ]
            is_new = np.repeat([True, False], [len(rest), len(others)])
            yield _Cell(_design(np.concatenate(cosines)[:, 0], m), is_new)


def _some(rows: Codes, rng: np.random.Generator) -> Codes:
    return rng.permutation(rows)[:ASKED_AT_MOST]


def _cosines(queries: Landmarks, newcomers: Landmarks, known: Landmarks) -> Floats:
    """(N, P, 4) what a gate looks at."""
    new, plain_new = newcomers.seen_from(queries)
    near, plain_near = (seen.max(axis=1, keepdims=True) for seen in known.seen_from(queries))
    return np.stack(np.broadcast_arrays(new, near, plain_new, plain_near), axis=2).astype(float)


def _design(cosines: Floats, counts: npt.ArrayLike) -> Floats:
    """(..., 7) for cosines (..., 4) of newcomers with so many references."""
    few = np.sqrt(1 / np.asarray(counts, np.float64))
    ones = np.ones(cosines.shape[:-1])[..., None]
    return np.concatenate([ones, ones * few[..., None], ones * few[..., None] ** 2, cosines], -1)


def _fit(cells: list[_Cell], *, n_classes: int) -> Gate:
    """The most probable coefficients, from standardised columns."""
    design = np.concatenate([cell.design for cell in cells])
    new = np.concatenate([cell.newcomer for cell in cells])
    # A cell counts the same, however much was asked in it.
    share = np.concatenate([1 / np.bincount(c.newcomer, minlength=2)[c.newcomer * 1] for c in cells])
    share /= DRAWS
    mean = np.average(design, axis=0, weights=share)
    spread = np.sqrt(np.average((design - mean) ** 2, axis=0, weights=share))
    mean[:3], spread[:3] = 0.0, 1.0
    often = OFTEN / np.sqrt(n_classes)
    prior = np.array(PRIOR)
    prior[0] += np.log(often)
    fitted = _logistic(
        (design - mean) / np.maximum(spread, LENGTH_FLOOR), new, np.where(new, often, 1.0) * share, prior
    )
    coefficients = fitted / np.maximum(spread, LENGTH_FLOOR)
    coefficients[0] -= coefficients[3:] @ mean[3:]
    return Gate(coefficients)


def _logistic(
    design: Floats, truth: npt.NDArray[np.bool_], weights: Floats, prior: Floats
) -> Floats:
    """Ridge about a prior, by Newton's method."""
    fitted = prior.copy()
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-design @ fitted))
        gradient = design.T @ (weights * (chance - truth)) + PRIOR_WEIGHT * (fitted - prior)
        curvature = (design.T * (weights * chance * (1 - chance))) @ design
        curvature.flat[:: len(prior) + 1] += PRIOR_WEIGHT
        step = np.linalg.solve(curvature, gradient)
        fitted = fitted - step
        if np.abs(step).max() < 1e-6:
            break
    return fitted


def _unit(rows: npt.NDArray[np.floating]) -> Vectors:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), LENGTH_FLOOR)
    return np.asarray(rows / lengths, np.float32)
