"""What a model that never saw a reference says of it: every reference that can be scored, once.

The mean of two opinions' logits, each at its temperature: shrinkage LDA (`head.fit.lda`), and how
near the nearest references of each class are in the whitened space. Neither is iterative: all folds
cost one pass over the vectors, and a product with a part of them.

Folds never split a group, near-duplicates of one class are held out together
(`head.data.duplicates`), and a reference stays in its fold when others come or go
(`head.data.folds.lasting_folds`).

Shapes: N references, M of them scored, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from head.choice.cross_validation import CrossValidation, Marks, divided
from head.data.duplicates import join_near_duplicates
from head.data.folds import NEVER_SCORED, lasting_folds
from head.data.plan import SearchPlan
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.lda import discriminants
from head.fit.span import Span
from head.fit.statistics import WithinClass
from head.fit.temperature import fit_temperature, softmax
from head.fit.whitening import Metric
from holotype.references import Codes, Vectors

SHRINKAGE = 0.5
"""Lower bound of the covariance's shrinkage, the one that serves most galleries best
(`head.choice.selection`)."""

CALIBRATED_ON = 8_000
"""References that settle a temperature."""

NEAREST = 3
"""References of a class whose mean cosine says how near the class is."""

VOTERS = 8_000
"""References of a fold, shared out evenly among the classes, that a reference is compared with:
beyond them time would grow with the square."""

BLOCK_ROWS = 2_048


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Answers about references by models that were trained without them."""

    rows: Codes
    """(M,) ascending rows of the training set. Missing are classes of a single group."""
    probabilities: Vectors
    """(M, C) float32, calibrated; a row sums to 1."""


def out_of_fold(training: TrainingSet, *, seed: int = 0) -> OutOfFold:
    """Ask about every reference whose class has another independent one.

    Args:
        training: any number of references and classes.
        seed: another number is another division into folds.

    Returns:
        No rows where nothing can be scored: fewer than two classes, one group a class, or no
        two references of a class that differ.
    """
    nothing = OutOfFold(np.empty(0, np.int64), np.empty((0, len(training.labels)), np.float32))
    if len(training.labels) < 2:
        return nothing
    search = _search(training, seed)
    spread = [fold.within for fold in search.folds if fold.within is not None]
    if not spread or len(spread) < len(search.folds):
        return nothing
    codes = search.scored_codes
    logits = _tempered(search.held_out_logits([discriminants(one) for one in spread]), codes)
    logits += _tempered(_nearness(search, spread), codes)
    logits = _tempered(logits, codes)
    for first in range(0, len(logits), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        logits[block] = softmax(logits[block])
    order = np.argsort(search.plan.scored)
    return OutOfFold(rows=search.plan.scored[order], probabilities=logits[order])


def _tempered(scores: Vectors, codes: Codes) -> Vectors:
    """(M, C) scores divided by their temperature, as logarithms of probabilities but for a sum."""
    some = slice(None, None, -(-len(codes) // CALIBRATED_ON))
    scores /= np.float32(fit_temperature(scores[some], codes[some]))
    return scores


def _nearness(search: CrossValidation, spread: Sequence[WithinClass]) -> Vectors:
    """(M, C) mean cosine of the nearest references of each class that a fold was trained on.

    Fold by fold, as the logits of a search are.
    """
    near = np.empty((len(search.plan.scored), search.n_classes), np.float32)
    done = 0
    for fold, within in zip(search.folds, spread, strict=True):
        white = Metric.of(within, FeatureMap.PLAIN).whiten(search.vectors)
        voters, bounds = _voters(search, fold.trained)
        queries, places = np.flatnonzero(fold.scored), white[voters].T
        for first in range(0, len(queries), BLOCK_ROWS):
            cosine = white[queries[first : first + BLOCK_ROWS]] @ places
            for c, (start, end) in enumerate(pairwise(bounds)):
                k = min(NEAREST, end - start)
                best = np.partition(cosine[:, start:end], end - start - k, axis=1)[:, -k:]
                near[done : done + len(cosine), c] = best.mean(axis=1)
            done += len(cosine)
    return near


def _voters(search: CrossValidation, trained: Marks) -> tuple[Codes, list[int]]:
    """Rows that vote, class by class, and where each class begins, with the end of the last."""
    rows = np.flatnonzero(trained)
    rows = rows[np.argsort(search.codes[rows], kind="stable")]
    counts = np.bincount(search.codes[rows], minlength=search.n_classes)
    begins = np.cumsum(counts) - counts
    most = max(NEAREST, VOTERS // search.n_classes)
    # Evenly from each class: rows are in the order of their ids, which are hashes.
    kept = np.arange(len(rows)) - np.repeat(begins, counts) < most
    sizes = np.minimum(counts, most)
    return rows[kept], [0, *np.cumsum(sizes).tolist()]


def _search(training: TrainingSet, seed: int) -> CrossValidation:
    """Every reference, in lasting folds, with the statistics of what each is trained on."""
    vectors, codes = training.vectors, training.codes
    groups = join_near_duplicates(vectors, codes, training.groups)
    folds = lasting_folds(codes, groups, training.marks, division=seed)
    used = np.unique(folds[folds != NEVER_SCORED]).tolist()
    plan = SearchPlan(rows=np.arange(len(training)), folds=folds, scored_folds=tuple(used))
    span = Span.of(vectors)
    search = CrossValidation(
        features=FeatureMap.PLAIN,
        span=span,
        vectors=span.coordinates(vectors),
        codes=codes,
        n_classes=len(training.labels),
        plan=plan,
        folds=(),
        shrinkage=SHRINKAGE,
    )
    return divided(search, plan, dimension=vectors.shape[1])
