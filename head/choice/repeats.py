"""The winner's out-of-fold answers, to be compared with those of the next head.

The folds of a search differ with its seed and with every reference that comes or goes, and a few
hundred references move a point or two with them. So the winner's recipe is fitted again, without
any search, over several divisions that last (`head.data.folds.lasting_folds`): two heads of nearly
the same references are scored by nearly the same models, and the luck that is left is averaged.
A fixed recipe costs a fraction of the search; beyond a few thousand references the search's own
answers do, whose luck is small there.

Shapes: N references, M of them scored, R divisions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from head.choice.cross_validation import divided
from head.choice.refit import Refit
from head.data.folds import N_FOLDS, NEVER_SCORED, divisions_of, lasting_folds
from head.data.held_out import HeldOut
from head.data.plan import SearchPlan
from head.fit.features import FeatureMap
from head.fit.options import TrainOptions
from head.fit.span import Span
from head.steps import Step
from holotype.references import Codes

if TYPE_CHECKING:
    from head.choice.candidates import Candidate
    from head.choice.cross_validation import CrossValidation
    from head.choice.selection import Choice
    from head.data.training_set import TrainingSet


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """The winner's logits for references that it was not trained on, by division."""

    rows: Codes
    """(M,) of the training set."""
    logits: npt.NDArray[np.float32]
    """(R, M, C)."""

    def kept(self, training: TrainingSet) -> HeldOut:
        """What the head keeps of it."""
        predicted = self.logits.argmax(axis=2).T
        return HeldOut.of(training.marks[self.rows], predicted, training.codes[self.rows])


def out_of_fold(
    training: TrainingSet, choice: Choice, options: TrainOptions | None = None
) -> OutOfFold | None:
    """Ask the winner of a search about every reference that can be scored.

    The seed plays no part where `divisions_of` gives any.

    Returns:
        None where no class can be both trained and scored.
    """
    options = options or TrainOptions()
    search, winner = choice.search, choice.winner
    if winner is None:
        return None
    divisions = divisions_of(len(training))
    options.steps.begin(Step.JUDGING, of=divisions * N_FOLDS)
    if not divisions:
        return OutOfFold(search.plan.rows[search.plan.scored], winner.logits[None])
    folds = [
        lasting_folds(training.codes, training.groups, training.marks, division=division)
        for division in range(divisions)
    ]
    rows = np.flatnonzero(folds[0] != NEVER_SCORED)
    logits = [_logits(training, search, winner, one, options)[rows] for one in folds]
    return OutOfFold(rows, np.stack(logits))


def _logits(
    training: TrainingSet,
    search: CrossValidation,
    winner: Candidate,
    folds: Codes,
    options: TrainOptions,
) -> npt.NDArray[np.float32]:
    """(N, C) by the recipe of the winner; zero where there is no scoring."""
    used = tuple(np.unique(folds[folds != NEVER_SCORED]).tolist())
    plan = SearchPlan(rows=search.plan.rows, folds=folds, scored_folds=used)
    # The search's vectors are mapped, and coordinates, already.
    ready = replace(search, features=FeatureMap.PLAIN, span=Span())
    ready = divided(ready, plan, dimension=training.vectors.shape[1])
    placed = replace(training, vectors=search.vectors)
    layers = []
    for fold in ready.folds:
        some = placed.rows(np.flatnonzero(fold.trained))
        layers.append(Refit(some, ready, fold.within, options).layer(winner))
        options.steps.did()
        options.on_pass()
    logits = np.zeros((len(training), search.n_classes), np.float32)
    logits[plan.scored] = ready.held_out_logits(layers)
    return logits
