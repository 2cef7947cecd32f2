"""How ready each class is: how well it is told, what more references would give, and what to do.

Everything is counted by independent groups: near-duplicates of one class, and references of one
group, count once. Recall is out of fold (`curate.out_of_fold`), its interval that of Jeffreys
(Brown, Cai and DasGupta, Statistical Science 16, 2001). The gain of more references comes from the
gallery's learning curve (`curate.learning`) and the class's own recall.

Every class has one verdict, the first of these that fits:

- *too few to say*: fewer than `SAID_FROM` of its groups could be scored;
- *cannot be told apart*: of the answers about it and about the class that it is most taken for
  which name one of both, so many name the wrong one that the pair is right in fewer than
  `TOLD_APART` of them even at the upper end of the interval, and each gives the other at least
  `EACH_GIVES` of its own. Both sides are asked because a large class that swallows a small one
  is cured by references of the small one; and both need `MERGE_FROM` scored groups, because
  of the pairs that look the same with fewer every third is told apart later (`docs/LAB.md`);
- *needs about n more*: `STEP` more groups are expected to raise its recall by `WORTH` or more, and
  the last for which that is so lie about n; or its recall is expected to be below `LEAST_RECALL`,
  and reaches it with n more;
- *enough*: neither.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from curate.learning import (
    each_group_once,
    error_at,
    expected_error,
    nested_errors,
    shared_exponent,
)
from curate.out_of_fold import OutOfFold
from curate.view import GalleryView
from head.data.duplicates import join_near_duplicates
from head.data.folds import N_FOLDS
from head.data.training_set import TrainingSet
from holotype.errors import TooFewReferences
from holotype.references import Floats

SAID_FROM = 5
"""Scored groups from which on anything is said of a class."""

TOLD_APART = 0.75
EACH_GIVES = 0.25
MERGE_FROM = 15

STEP, WORTH = 10, 0.02
"""Ten more are worth their labelling while they set one query in fifty right."""

LEAST_RECALL = 0.5
"""A class that is missed more often than not is never called enough, however little more helps."""

MOST_NEEDED = 200

LEARNED_FROM = 1 - 1 / N_FOLDS
"""Share of the groups that an out-of-fold answer was learned from."""


class Verdict(StrEnum):
    """What to do about a class; see the module for the rules."""

    ENOUGH = "enough"
    NEEDS = "needs"
    MERGE = "merge"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class ClassReadiness:
    """One class. What could not be measured is None."""

    label: str
    references: int
    groups: int
    """Independent ones."""
    scored: int
    """Groups of which there are out-of-fold answers."""
    recall: float | None = None
    """Share of the scored groups that were answered right."""
    interval: tuple[float, float] | None = None
    """95 %."""
    confused_with: str | None = None
    """The class that it is most often taken for; None where it is taken for none."""
    confused: float = 0.0
    """Share of the scored groups that were answered as that class."""
    more: int = STEP
    gain: float | None = None
    """Of recall, to be expected from so many more groups."""
    verdict: Verdict = Verdict.TOO_FEW
    needs: int | None = None
    """So many more groups; above `MOST_NEEDED` it is only known that these do not suffice."""

    @property
    def says(self) -> str:
        """The verdict in words."""
        match self.verdict:
            case Verdict.TOO_FEW:
                return "too few to say"
            case Verdict.MERGE:
                return f"cannot be told apart from {self.confused_with}: merge?"
            case Verdict.ENOUGH:
                return "enough"
        assert self.needs is not None
        if self.needs > MOST_NEEDED:
            return f"needs more than {MOST_NEEDED} more"
        return f"needs about {rounded(self.needs)} more"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self) | {"says": self.says}


def readiness(view: GalleryView, outs: OutOfFold, *, more: int = STEP) -> list[ClassReadiness]:
    """Of every class, in the order of labels.

    Args:
        view: of the gallery.
        outs: out-of-fold answers about it; it may have no rows.
        more: groups whose gain is told; verdicts are the same.

    Raises:
        TooFewReferences: there is one class only.
    """
    if len(view.training.labels) < 2:
        raise TooFewReferences(
            f"there is one class only ({view.training.labels[0]!r}), and nothing that it could be "
            "taken for: add references of a second one with `ingest add`"
        )
    groups = join_near_duplicates(view.training.vectors, view.training.codes, view.training.groups)
    training = replace(view.training, groups=groups)
    exponent = shared_exponent(nested_errors(training)) if len(outs.rows) else 0.0
    answers = _answers(training, outs)
    return [_readiness(training, answers, c, exponent, more=more) for c in range(len(answers))]


def jeffreys(right: float, total: float) -> tuple[float, float]:
    """95 % interval of a share; 0 and 1 are reached where none or all were right."""
    from scipy.special import betaincinv

    a, b = right + 0.5, total - right + 0.5
    low = 0.0 if right == 0 else float(betaincinv(a, b, 0.025))
    return low, 1.0 if right == total else float(betaincinv(a, b, 0.975))


def rounded(needs: int) -> int:
    """A number that claims no more than is known: exact up to 20, then by fives and tens."""
    step = 1 if needs <= 20 else 5 if needs <= 100 else 10
    return -(-needs // step) * step


def needed(error: float, groups: int, exponent: float) -> int:
    """How many more groups the class needs by the rule of the module.

    Args:
        error: share expected with this many groups.
        groups: at least 1.
        exponent: see `curate.learning`.

    Returns:
        0 .. `MOST_NEEDED`, or one more where these do not suffice.
    """
    more = np.arange(MOST_NEEDED + 1)
    errors, after = (
        error_at(error, exponent, (groups + some) / groups) for some in (more, more + STEP)
    )
    worth = np.flatnonzero(errors - after >= WORTH)
    # The ten that begin at the last of these places are worth it, the next are not.
    enough = worth[-1] + 1 + STEP // 2 if len(worth) else 0
    missed = np.count_nonzero(1 - errors < LEAST_RECALL)
    return min(int(max(enough, missed)), MOST_NEEDED + 1)


def _answers(training: TrainingSet, outs: OutOfFold) -> Floats:
    """(C, C) groups of each class (row) by the class that they were answered as (column)."""
    codes, answered = training.codes[outs.rows], outs.probabilities.argmax(axis=1)
    counts = np.zeros((len(training.labels),) * 2)
    np.add.at(counts, (codes, answered), each_group_once(codes, training.groups[outs.rows]))
    return counts


def _readiness(
    training: TrainingSet, answers: Floats, c: int, exponent: float, *, more: int
) -> ClassReadiness:
    own = training.codes == c
    groups = len(np.unique(training.groups[own]))
    asked, right = answers[c].sum(), answers[c, c]
    others = np.where(np.arange(len(answers)) == c, 0.0, answers[c])
    taken_for = int(others.argmax())
    counted = ClassReadiness(
        label=training.labels[c],
        references=int(own.sum()),
        groups=groups,
        scored=round(asked),
        more=more,
    )
    if not counted.scored:
        return counted
    error = float(expected_error(asked - right, asked))
    now = float(error_at(error, exponent, 1 / LEARNED_FROM))
    needs = needed(now, groups, exponent)
    then = float(error_at(now, exponent, (groups + more) / groups))
    return replace(
        counted,
        recall=float(right / asked),
        interval=jeffreys(right, asked),
        confused_with=training.labels[taken_for] if others.any() else None,
        confused=float(others.max() / asked),
        gain=now - then,
        needs=needs,
        verdict=_verdict(answers, c, taken_for, needs),
    )


def _verdict(answers: Floats, c: int, other: int, needs: int) -> Verdict:
    asked = answers.sum(axis=1).round()
    if asked[c] < SAID_FROM:
        return Verdict.TOO_FEW
    pair = np.array([c, other])
    if asked[pair].min() >= MERGE_FROM and cannot_be_told_apart(answers[np.ix_(pair, pair)]):
        return Verdict.MERGE
    return Verdict.NEEDS if needs else Verdict.ENOUGH


def cannot_be_told_apart(answers: Floats) -> bool:
    """The rule of the module for (2, 2) groups of two classes, by the class they were answered as.

    Both classes count the same, however large; the interval is that of as many answers as the
    mean of both shares is worth.
    """
    asked = answers.sum(axis=1)
    if asked.min() == 0:
        return False
    right = answers.diagonal() / asked
    if (1 - right < EACH_GIVES).any():
        return False
    worth = 4 / (1 / asked).sum()
    return jeffreys(right.mean() * worth, worth)[1] < TOLD_APART
