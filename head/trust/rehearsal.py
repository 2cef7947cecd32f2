"""How a newcomer will be met, rehearsed on the classes that are there.

In every round some classes are left out of statistics and metric and given back with 1, 2, 3, 5
and 10 references; the rest of their references are asked, and held-out references of the other
classes. A logistic regression learns from the cosines of `.gate` when the newcomer is meant, once
by means and once by flats: these are the gate unless means explain the rehearsal clearly better.

What differs between galleries is mostly where these cosines lie and how far they spread: once
standardised, the development sets agree about the coefficients, which serve as the prior. So a
gallery of few classes has a gate, too. Where there are two, a round leaves one, about whose mean
vectors are whitened: nothing is learned there, how near newcomers come to known classes is taken
from other galleries (`NEAR_OF_TWO`), and the prior's coefficients stay.
Rounds, classes and queries are bounded, and a class is taken out of a covariance by subtraction:
it costs the same in a gallery of any size.

Shapes: S references in the search, D dimensions, R rows of the rehearsal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from head.trust.flats import Flats, spanned
from head.trust.gate import NEAR, NEAR_OF_TWO, NEW, Gate, Landmarks, cosines, design, nearest
from holotype.references import Codes, Floats

if TYPE_CHECKING:
    from head.choice.cross_validation import CrossValidation, Fold
    from head.fit.statistics import WithinClass


GIVEN_BACK = (1, 2, 3, 5, 10)
"""References of a rehearsed newcomer."""

ROUNDS = 8
"""Each has statistics of its own, without one fold and a few classes."""

PER_ROUND = 4
"""Classes that a round leaves out, at most."""

DRAWS = 2
"""Choices of the references that are given back, for each number of them."""

ASKED_AT_MOST = 300
"""References of the others, and of the newcomer, in a round."""

PRIOR = (
    (-0.82, 0.63, 1.58, 2.39, -1.26, 1.42, -0.98),  # by means
    (-1.04, 0.98, 1.79, 2.44, -1.14, 1.37, -1.06),  # by flats
)
"""Coefficients that the development sets have in common, of standardised cosines, where a
newcomer is asked for as often as all others together."""

PRIOR_WEIGHT = 0.5
"""In rehearsed newcomers of one size."""

OFTEN = 0.3
"""Divided by the root of the number of classes: how often a newcomer is asked for, compared with
all others."""

MEANS_BETTER_BY = 0.25
"""Loss of a rehearsal, in nats, from where means are taken for better than flats: more than they
were in any of 30 real galleries, less than in synthetic ones that means are made for
(`docs/LAB.md`)."""

LEAST_SPREAD = 0.05
"""Of a cosine."""

NEWTON_STEPS = 50
SOLVED = 1e-9
"""Solved where a step promises less than this share of the loss."""

LEAN = (-1.1, 4.7, -3.9)
"""Added to the first three coefficients. With it the known classes lose nine tenths of a point to
a newcomer, however many references it has (`docs/LAB.md`)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """A class that was given back with some references, and what was asked then."""

    rows: Floats
    """(2, R, 7) by means and by flats, see `head.trust.gate.design`."""
    meant: npt.NDArray[np.bool_]
    """(R,) whether it was a query of that class."""


def rehearse(
    search: CrossValidation,
    groups: Codes,
    *,
    seed: int = 0,
    on_round: Callable[[], None] = lambda: None,
) -> Gate | None:
    """Learn a gate; None where no class can be left out.

    Args:
        search: with the statistics of its folds.
        groups: (S,) of its references.
        seed: the same seed gives the same gate.
        on_round: called after each of the `ROUNDS`.
    """
    rng = np.random.default_rng(seed)
    cells: list[_Cell] = []
    for fold, out in _rounds(search, rng):
        cells.extend(_rehearsed(search, groups, fold, out, rng))
        on_round()
    if not cells:
        return None
    by_means, by_flats = (_fit(cells, search, flats=flats) for flats in (False, True))
    return (by_flats if by_flats[1] < by_means[1] + MEANS_BETTER_BY else by_means)[0]


def _rounds(search: CrossValidation, rng: np.random.Generator) -> Iterator[tuple[Fold, Codes]]:
    """A fold, and the classes that are left out beside it."""
    sizes = np.bincount(search.codes[search.plan.scored], minlength=search.n_classes)
    classes = rng.permutation(np.flatnonzero(sizes > 1))
    if not len(classes):
        return
    per_round = min(PER_ROUND, -(-len(classes) // ROUNDS))
    for i in range(ROUNDS):
        chosen = classes.take(np.arange(i * per_round, (i + 1) * per_round), mode="wrap")
        yield search.folds[i % len(search.folds)], np.unique(chosen)


def _rehearsed(
    search: CrossValidation, groups: Codes, fold: Fold, out: Codes, rng: np.random.Generator
) -> Iterator[_Cell]:
    leaving = np.isin(search.codes, out)
    gone, others = fold.trained & leaving, _some(np.flatnonzero(fold.scored & ~leaving), rng)
    within = fold.within and fold.within.without(search.vectors[gone], search.codes[gone])
    if not within or not len(others):
        return
    own = [_some(np.flatnonzero(search.codes == c), rng) for c in out.tolist()]
    rows, means = np.concatenate([others, *own]), within.means[within.counts > 0]
    at = _placed(within, np.concatenate([means, search.vectors[rows]]))
    kept = np.flatnonzero(fold.trained & ~leaving)
    flats = Flats.of_classes(search.vectors, search.codes, kept)
    known, at = Landmarks.at(at[: len(means)], means, flats), at[len(means) :]
    asked = Landmarks.at(at, search.vectors[rows])
    near = [nearest(asked, one) for one in (replace(known, flats=None), known)]
    place = {row: i for i, row in enumerate(rows.tolist())}

    for references in own:
        for m in GIVEN_BACK * DRAWS:
            given = rng.permutation(references)[:m]
            rest = references[~np.isin(groups[references], groups[given])]
            if len(given) < m or not len(rest):
                continue
            newcomer = Landmarks.at(
                at[[place[r] for r in given.tolist()]].mean(axis=0, keepdims=True),
                search.vectors[given].mean(axis=0, keepdims=True),
                Flats.joined([spanned(search.vectors[given])]),
            )
            of = [*(place[r] for r in rest.tolist()), *range(len(others))]
            queries = Landmarks(asked.placed[of], asked.plain[of])
            views = zip((replace(newcomer, flats=None), newcomer), near, strict=True)
            seen = [design(cosines(queries, one, n[of]), [m])[:, 0] for one, n in views]
            meant = np.repeat([True, False], [len(rest), len(others)])
            yield _Cell(np.stack(seen), meant)


def _some(rows: Codes, rng: np.random.Generator) -> Codes:
    return rng.permutation(rows)[:ASKED_AT_MOST]


def _placed(within: WithinClass, mapped: npt.NDArray[np.floating]) -> Floats:
    """(N, D) in the whitened space, without the inverse that a metric takes."""
    factor = np.linalg.cholesky(within.shrunk)
    placed: Floats = np.linalg.solve(factor, (mapped - within.centre).T).T
    return placed


def _fit(cells: Sequence[_Cell], search: CrossValidation, *, flats: bool) -> tuple[Gate, float]:
    """The most probable coefficients, and their loss."""
    rows = np.concatenate([cell.rows[int(flats)] for cell in cells])
    meant = np.concatenate([cell.meant for cell in cells])
    # Newcomers count the same, however many queries there were.
    shares = [1 / np.bincount(cell.meant)[cell.meant.astype(int)] for cell in cells]
    share = np.concatenate(shares) / DRAWS
    mean = np.average(rows, axis=0, weights=share)
    spread = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=share))
    spread = np.maximum(spread, LEAST_SPREAD)
    mean[:3], spread[:3] = 0.0, 1.0
    if search.n_classes == 2:
        mean[NEAR], spread[NEAR] = NEAR_OF_TWO
        rows[:, [NEW, NEAR]] = mean[[NEW, NEAR]]  # the prior's coefficients stay
    often = OFTEN / np.sqrt(search.n_classes)
    prior = np.array(PRIOR[flats])
    prior[0] += np.log(often)
    weights = np.where(meant, often, 1.0) * share
    fitted, loss = _logistic((rows - mean) / spread, meant, weights, prior)
    coefficients = fitted / spread
    coefficients[0] -= coefficients @ mean
    coefficients[:3] += LEAN
    return Gate(coefficients, asked=len(search.plan.scored), flats=flats), loss


def _logistic(
    rows: Floats, truth: npt.NDArray[np.bool_], weights: Floats, prior: Floats
) -> tuple[Floats, float]:
    """Regularised towards a prior, by Newton's method; with the loss that is left."""

    def loss(fitted: Floats) -> float:
        odds, away = rows @ fitted, fitted - prior
        nats = float(weights @ (np.logaddexp(0, odds) - truth * odds))
        return nats + PRIOR_WEIGHT / 2 * float(away @ away)

    fitted, least = prior, loss(prior)
    for _ in range(NEWTON_STEPS):
        p = np.exp(-np.logaddexp(0, -(rows @ fitted)))
        slope = rows.T @ (weights * (p - truth)) + PRIOR_WEIGHT * (fitted - prior)
        bend = rows.T @ (rows * (weights * p * (1 - p))[:, None]) + PRIOR_WEIGHT * np.eye(
            len(prior)
        )
        step = np.linalg.solve(bend, slope)
        promised = float(slope @ step)
        if promised <= SOLVED * least:
            break
        while loss(fitted - step) > least:  # ends: a short step gains half of what it promises
            step = step / 2
        fitted, least = fitted - step, loss(fitted - step)
    return fitted, least
