"""How the recall of classes grows with their references, from out-of-fold answers alone.

Every fold of a cross-validation asks its held-out references again, of a model that knows a half
and a quarter of the groups of their class. A quarter of the classes is made smaller at a time and
the others stay, as they do when a curator adds to some. What left is taken out of means, priors
and covariance: with the covariance of everything, gains come out at two thirds of what they are
(`docs/LAB.md`).

Errors then fall with a power of the number of groups,

    error(m) = error(k) * (m / k) ** -exponent,

with one exponent for the gallery and each class's own errors. An exponent of its own for each class
predicts worse: a class has too few references to tell how fast it learns. Odds in the place of
shares promise classes of a dozen references and more too much.

Shapes: S references of a search, C classes, R coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from head.choice.cross_validation import CrossValidation, Fold, prepare
from head.fit.lda import LinearLayer
from head.fit.statistics import Spread, WithinClass
from holotype.references import Codes, Floats, Vectors

if TYPE_CHECKING:
    from head.data.training_set import TrainingSet

SHARES = (1.0, 0.5, 0.25)
"""Of the groups of a class that a fold trains on."""

PARTS = 4
"""Of the classes: those of one are made smaller at a time."""

SHRINKAGE = 0.5
"""Lower bound of the covariance's shrinkage (`head.choice.selection`)."""

MOST_EXPONENT = 4.0
BISECTIONS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """Errors of classes at smaller sizes, every held-out group counting once."""

    groups: Floats
    """(C, 3) groups that the class was learned from, by share; the mean of the folds."""
    errors: Floats
    """(C, 3) of its held-out groups, so many were answered as another class."""
    asked: Floats
    """(C,) held-out groups; 0 where the class could not be scored."""


def nested_errors(training: TrainingSet, *, seed: int = 0) -> Nested:
    """Ask every class about its held-out references, at each of `SHARES`.

    Args:
        training: with near-duplicates in one group; at least two classes.
        seed: of the folds and of the parts of classes.
    """
    search = prepare(training, seed=seed).shrunk_at_least(SHRINKAGE)
    groups = training.groups[search.plan.rows]
    rng = np.random.default_rng(seed)
    n_classes = search.n_classes
    sizes, errors = np.zeros((n_classes, len(SHARES))), np.zeros((n_classes, len(SHARES)))
    asked, folds = np.zeros(n_classes), np.zeros(n_classes)
    for fold in search.folds:
        if fold.within is None:
            continue
        codes = search.codes[fold.scored]
        weights = each_group_once(codes, groups[fold.scored])
        here = np.bincount(codes, weights, n_classes)
        asked += here
        folds += here > 0
        for step, share in enumerate(SHARES):
            kept = fold.trained.copy()
            kept[fold.trained] = part_of_groups(
                search.codes[fold.trained], groups[fold.trained], share=share, rng=rng
            )
            left = _group_counts(search.codes[kept], groups[kept], n_classes)
            sizes[:, step] += left * (here > 0)
            wrong = weights * _wrong(search, fold, kept, rng.permutation(n_classes) % PARTS)
            errors[:, step] += np.bincount(codes, wrong, n_classes)
    return Nested(sizes / np.maximum(folds, 1)[:, None], errors, asked)


def shared_exponent(nested: Nested) -> float:
    """The exponent with which the errors at the smaller sizes, all together, are as observed.

    0 where nothing could be scored, or where fewer references do not make more errors.
    """
    known = nested.asked > 0
    groups, errors, asked = nested.groups[known], nested.errors[known], nested.asked[known]
    share = expected_error(errors[:, 0], asked)
    wanted = float((errors[:, 1:] - errors[:, :1]).sum())
    low, high = 0.0, MOST_EXPONENT
    for _ in range(BISECTIONS):
        exponent = (low + high) / 2
        more = sum(
            (asked * (error_at(share, exponent, groups[:, step] / groups[:, 0]) - share)).sum()
            for step in range(1, len(SHARES))
        )
        low, high = (exponent, high) if more < wanted else (low, exponent)
    return low


def expected_error(errors: Floats, asked: Floats) -> Floats:
    """(C,) share of errors to be expected where so many of those asked were: Jeffreys' prior.

    Nobody who made no error in three answers makes none in a thousand.
    """
    share: Floats = (errors + 0.5) / (asked + 1)
    return share


def error_at(share: Floats | float, exponent: float, times: Floats | float) -> Floats:
    """The share of errors with so many times the groups; see the module."""
    return np.asarray(np.minimum(share * times**-exponent, 1.0), np.float64)


def each_group_once(codes: Codes, groups: Codes) -> Floats:
    """(N,) weights: those of one class and group sum to 1."""
    _, pair = _pairs(codes, groups)
    weights: Floats = 1.0 / np.bincount(pair)[pair]
    return weights


def part_of_groups(
    codes: Codes, groups: Codes, *, share: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """(N,) marks of a random part of each class's groups, rounded up."""
    class_of, pair = _pairs(codes, groups)
    order = np.lexsort((rng.random(len(class_of)), class_of))
    counts = np.bincount(class_of)
    rank = np.empty(len(class_of), np.int64)
    rank[order] = np.arange(len(class_of)) - (np.cumsum(counts) - counts)[class_of[order]]
    kept: npt.NDArray[np.bool_] = (rank < np.ceil(share * counts)[class_of])[pair]
    return kept


def _wrong(
    search: CrossValidation, fold: Fold, kept: npt.NDArray[np.bool_], part_of: Codes
) -> npt.NDArray[np.bool_]:
    """(M,) whether each scored reference is misread where its part of the classes is smaller."""
    codes, vectors = search.codes[fold.scored], search.vectors[fold.scored]
    rarer = _log_counts(search.codes, search.n_classes) - _log_counts(
        search.codes[fold.trained], search.n_classes
    )
    wrong = np.zeros(len(codes), bool)
    for mine, within in _smaller(search, fold, kept, part_of):
        asked = mine[codes]
        logits = layer_of(within).logits(vectors[asked]) + rarer
        wrong[asked] = logits.argmax(axis=1) != codes[asked]
    return wrong


def layer_of(within: WithinClass) -> LinearLayer:
    """`head.fit.lda.discriminants` in a tenth of the time: it solves, and decomposes nothing."""
    placed = within.means - within.centre
    weights = np.asarray(np.linalg.solve(within.shrunk, placed.T).T, np.float64)
    constant = 0.5 * (weights * placed).sum(axis=1) + weights @ within.centre
    return LinearLayer(weights, np.log(np.maximum(within.counts, 1)) - constant)


def _smaller(
    search: CrossValidation, fold: Fold, kept: npt.NDArray[np.bool_], part_of: Codes
) -> Iterator[tuple[npt.NDArray[np.bool_], WithinClass]]:
    """Marks (C,) of a part of the classes, and statistics where only they are smaller."""
    assert fold.within is not None
    gone = fold.trained & ~kept
    if not gone.any():
        yield np.ones(search.n_classes, bool), fold.within
        return
    for part in range(PARTS):
        mine = part_of == part
        rows = np.flatnonzero(gone & mine[search.codes])
        yield mine, less(fold.within, search.vectors[rows], search.codes[rows])


def less(within: WithinClass, vectors: Vectors, codes: Codes) -> WithinClass:
    """The statistics without some of their references; shrunk as before.

    Args:
        within: of these references and others; of every class at least one is left.
        vectors: (n, R) those that leave.
        codes: (n,) their classes.
    """
    centred = vectors.astype(np.float64) - within.means[codes]
    counts = within.counts - np.bincount(codes, minlength=len(within.counts))
    moved = np.zeros_like(within.means)
    np.add.at(moved, codes, -centred)
    moved /= np.maximum(counts, 1)[:, None]
    about = moved * np.sqrt(counts)[:, None]
    n, left = (some[some > 1].sum() for some in (within.counts, counts))
    scatter = n * within.covariance - centred.T @ centred - about.T @ about
    return replace(
        within,
        means=within.means + moved,
        counts=counts,
        # Nothing that differs is left: the spread of before is nearer than none.
        spread=Spread(scatter / left) if left else within.spread,
    )


def _log_counts(codes: Codes, n_classes: int) -> Floats:
    counts: Floats = np.log(np.maximum(np.bincount(codes, minlength=n_classes), 1))
    return counts


def _pairs(codes: Codes, groups: Codes) -> tuple[Codes, Codes]:
    """The class of every (class, group) that occurs, and the number of each row's."""
    _, first, pair = np.unique(
        codes * (int(groups.max(initial=0)) + 1) + groups, return_index=True, return_inverse=True
    )
    return codes[first], pair


def _group_counts(codes: Codes, groups: Codes, n_classes: int) -> Codes:
    return np.bincount(_pairs(codes, groups)[0], minlength=n_classes)
