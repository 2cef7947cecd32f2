"""What a model that never saw a reference says of it: every reference that can be scored, once.

Shrinkage LDA (`head.fit.lda`), because it is in closed form: all folds cost one pass over the
vectors. Folds never split a group, near-duplicates of one class are held out together
(`head.data.duplicates`), and a reference stays in its fold when others come or go
(`head.data.folds.lasting_folds`).

Shapes: N references, M of them scored, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from head.choice.cross_validation import CrossValidation, divided
from head.data.duplicates import join_near_duplicates
from head.data.folds import NEVER_SCORED, lasting_folds
from head.data.plan import SearchPlan
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.lda import discriminants
from head.fit.span import Span
from head.fit.temperature import fit_temperature, softmax
from holotype.references import Codes, Vectors

SHRINKAGE = 0.5
"""Lower bound of the covariance's shrinkage, the one that serves most galleries best
(`head.choice.selection`)."""

CALIBRATED_ON = 8_000
"""References that settle a temperature."""

BLOCK_ROWS = 8_192


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
    layers = [discriminants(fold.within) for fold in search.folds if fold.within is not None]
    if not layers or len(layers) < len(search.folds):
        return nothing
    scored, codes = search.plan.scored, search.scored_codes
    logits = search.held_out_logits(layers)
    some = slice(None, None, -(-len(codes) // CALIBRATED_ON))
    temperature = fit_temperature(logits[some], codes[some])
    for first in range(0, len(logits), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        logits[block] = softmax(logits[block] / temperature)
    order = np.argsort(scored)
    return OutOfFold(rows=scored[order], probabilities=logits[order])


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
