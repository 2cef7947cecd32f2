"""Champion and challenger: may a new head take over?

Both are judged by their out-of-fold predictions on the references that both have some for:
neither is scored on what it was trained on. Up to a few thousand references those are over
several divisions into folds that are the same for both (`head.choice.repeats`), so that the
verdict follows the references and not how they happened to be divided.

The comparison is about classes that both know: the challenger answers among the champion's
labels (telling more classes apart is harder, and the champion was never asked to). Left out are
references whose class the champion did not know, to which it gave a label that is gone, or whose
label has changed since: where that was a mistake, the challenger would be praised for it.

The challenger is held where it is worse by more than `TOLERANCE` and beyond doubt: accuracy or
macro accuracy is lower, each at the .5 % level, so that a head that is as good is held in 1 % of
retrains at most, and in 2 % where two searches of few references settled on different recipes.
The doubt is that of other references: standard errors are those of a weighted mean of independent
groups. With fewer than `ENOUGH` common references there is nothing to judge by.

Shapes: N references, J of them in common, R divisions into folds, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from holotype.references import Codes, Floats

if TYPE_CHECKING:
    from head.choice.repeats import OutOfFold
    from head.data.training_set import TrainingSet
    from head.versions.head import Head

TOLERANCE = 0.015
"""Loss of accuracy or macro accuracy that is accepted in any case: half of the three points that
are to be caught, and more than two searches of nearly the same references differ by
(`docs/LAB.md`)."""

BEYOND_DOUBT = 2.5758
"""Standard errors: a loss of so many or more is chance in .5 % of comparisons of equal heads. At
1 % a gallery of 200 held 8 of 200 heads that were as good (`docs/LAB.md`)."""

ENOUGH = 30
LISTED_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Regression:
    """A class that the challenger recognises less often."""

    label: str
    references: int
    champion: float
    """Recall."""
    challenger: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether the challenger is worse, and what that rests on."""

    champion: str
    """Its version."""
    references: int
    """In common."""
    worse: bool
    reason: str
    champion_accuracy: float | None = None
    challenger_accuracy: float | None = None
    p_value: float | None = None
    """Of a loss of accuracy as large by chance; McNemar's in reports of before."""
    macro_difference: float | None = None
    macro_standard_error: float | None = None
    standard_error: float | None = None
    """Of the difference in accuracy; None in reports of before, as `divisions`."""
    divisions: int | None = None
    """Into folds, that the challenger was asked in."""
    regressions: tuple[Regression, ...] = ()
    """The largest first."""

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class _Common:
    """References that both predicted."""

    codes: Codes
    """(J,) class, as the champion numbers it."""
    groups: Codes
    """(J,)."""
    champion: Floats
    """(J,) share of the divisions in which it was right."""
    challenger: Floats
    """(J,)."""

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True)
class _Loss:
    """How much lower a weighted accuracy is."""

    mean: float
    standard_error: float

    @classmethod
    def of(cls, common: _Common, weights: Floats) -> _Loss:
        """With (J,) weights that sum to 1; the error is that of other groups of references."""
        lost = common.champion - common.challenger
        mean = float(weights @ lost)
        by_group = np.bincount(np.unique(common.groups, return_inverse=True)[1],
                               weights * (lost - mean))  # fmt: skip
        n = len(by_group)
        return cls(mean, float(np.sqrt(by_group @ by_group * n / max(n - 1, 1))))

    @property
    def beyond_doubt(self) -> bool:
        """Whether it is a reason to hold."""
        return self.mean > max(TOLERANCE, BEYOND_DOUBT * self.standard_error)

    @property
    def p_value(self) -> float:
        """Probability of a loss as large where there is none."""
        if not self.standard_error:
            return 1.0 if self.mean <= 0 else 0.0
        return math.erfc(self.mean / self.standard_error / math.sqrt(2)) / 2


def judge(training: TrainingSet, predictions: OutOfFold | None, champion: Head) -> Comparison:
    """Compare a challenger with the active head.

    Args:
        training: what the challenger is trained on, near-duplicates joined in its groups.
        predictions: the challenger's; None where it has none.
        champion: the active head.
    """
    common = None if predictions is None else _common(training, predictions, champion)
    if predictions is None or common is None or len(common) < ENOUGH:
        n = 0 if common is None else len(common)
        reason = f"only {n} references were predicted out of fold by both: nothing to judge by"
        return Comparison(champion.version, n, worse=False, reason=reason)
    sizes = np.bincount(common.codes)
    loss = _Loss.of(common, np.full(len(common), 1 / len(common)))
    macro = _Loss.of(common, 1 / (np.count_nonzero(sizes) * sizes[common.codes]))
    return Comparison(
        champion=champion.version,
        references=len(common),
        worse=loss.beyond_doubt or macro.beyond_doubt,
        reason=_reason(loss, macro),
        champion_accuracy=float(common.champion.mean()),
        challenger_accuracy=float(common.challenger.mean()),
        p_value=loss.p_value,
        macro_difference=-macro.mean,
        macro_standard_error=macro.standard_error,
        standard_error=loss.standard_error,
        divisions=len(predictions.logits),
        regressions=_regressions(common, champion.trained_labels),
    )


def _common(training: TrainingSet, predictions: OutOfFold, champion: Head) -> _Common | None:
    before = champion.held_out
    if before is None:
        return None
    _, mine, theirs = np.intersect1d(
        training.marks[predictions.rows], before.marks, assume_unique=True, return_indices=True
    )
    to_champion = _translation(training.labels, champion.trained_labels)
    still_there = to_champion[to_champion >= 0]
    codes = to_champion[training.codes[predictions.rows[mine]]]
    kept = (codes >= 0) & np.isin(before.predicted[theirs], still_there).all(axis=1)
    if before.codes is not None:
        kept &= before.codes[theirs] == codes
    mine, theirs, codes = mine[kept], theirs[kept], codes[kept]
    if not len(codes):
        return None
    answers = predictions.logits[:, mine][:, :, to_champion >= 0].argmax(axis=2)
    return _Common(
        codes=codes,
        groups=training.groups[predictions.rows[mine]],
        champion=(before.predicted[theirs] == codes[:, None]).mean(axis=1),
        challenger=(still_there[answers] == codes).mean(axis=0),
    )


def _translation(labels: Sequence[str], into: Sequence[str]) -> Codes:
    """(C,) place of each label among others; -1 where it is not there."""
    place = {label: i for i, label in enumerate(into)}
    return np.array([place.get(label, -1) for label in labels], dtype=np.int64)


def _reason(loss: _Loss, macro: _Loss) -> str:
    if loss.beyond_doubt:
        return _lower("accuracy", loss)
    if macro.beyond_doubt:
        return _lower("macro accuracy", macro)
    return (
        f"not worse: accuracy {-100 * loss.mean:+.1f} points, macro {-100 * macro.mean:+.1f} points"
    )


def _lower(name: str, loss: _Loss) -> str:
    return (
        f"{name} is {100 * loss.mean:.1f} points lower (standard error "
        f"{100 * loss.standard_error:.1f}, p = {loss.p_value:.2g})"
    )


def _regressions(common: _Common, labels: Sequence[str]) -> tuple[Regression, ...]:
    counts = np.bincount(common.codes, minlength=len(labels))
    before, after = (
        np.bincount(common.codes, right, minlength=len(labels)) / np.maximum(counts, 1)
        for right in (common.champion, common.challenger)
    )
    lost = before - after
    worst = [int(c) for c in np.argsort(-lost, kind="stable")[:LISTED_AT_MOST] if lost[c] > 0]
    return tuple(
        Regression(labels[c], int(counts[c]), float(before[c]), float(after[c])) for c in worst
    )
