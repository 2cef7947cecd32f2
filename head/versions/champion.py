"""Champion and challenger: may a new head take over?

Both are judged by their out-of-fold predictions on the references that both have some for,
under the labels of today: neither is scored on what it was trained on. The comparison is
about classes that both know: the challenger answers among the champion's labels (telling
more classes apart is harder, and the champion was never asked to), and references whose
class the champion did not know, or to which it gave a label that is gone, are left out.

The challenger is held where it is worse beyond doubt and by more than `TOLERANCE`:

- fewer right answers, by McNemar's exact one-sided test on the references where just one of
  the two is right (McNemar, Psychometrika 12, 1947), or
- a lower macro accuracy, by the normal approximation of the paired difference;

each at the 5 % level. With fewer than `ENOUGH` common references there is nothing to judge by.

Shapes: M scored references, J of them in common, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from head.data.scores import PairedDifference, by_class, paired_difference
from holotype.references import Codes

if TYPE_CHECKING:
    from head.choice.selection import Choice
    from head.data.training_set import TrainingSet
    from head.versions.head import Head

Marks = npt.NDArray[np.bool_]

TOLERANCE = 0.005
"""Loss of accuracy or macro accuracy that is accepted in any case."""

LEVEL = 0.05
ONE_SIDED = 1.6449
"""Normal quantile of `LEVEL`."""

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
    """McNemar's, that the challenger is not worse."""
    macro_difference: float | None = None
    macro_standard_error: float | None = None
    regressions: tuple[Regression, ...] = ()
    """The largest first."""

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class _Common:
    """References that both predicted, with their class as the champion numbers it."""

    codes: Codes
    champion: Codes
    challenger: Codes


def judge(training: TrainingSet, choice: Choice, champion: Head) -> Comparison:
    """Compare a challenger that was just cross-validated with the active head."""
    common = _common(training, choice, champion)
    if common is None or len(common.codes) < ENOUGH:
        n = 0 if common is None else len(common.codes)
        reason = f"only {n} references were predicted out of fold by both: nothing to judge by"
        return Comparison(champion.version, n, worse=False, reason=reason)
    champion_right = common.champion == common.codes
    challenger_right = common.challenger == common.codes
    lost = int(np.count_nonzero(champion_right & ~challenger_right))
    gained = int(np.count_nonzero(challenger_right & ~champion_right))
    p_value = at_least(lost, lost + gained)
    macro = paired_difference(challenger_right, champion_right, common.codes)
    fewer = (lost - gained) / len(common.codes)
    return Comparison(
        champion=champion.version,
        references=len(common.codes),
        worse=_is_worse(fewer, p_value) or _is_worse_on_average(macro),
        reason=_reason(fewer, p_value, macro),
        champion_accuracy=float(champion_right.mean()),
        challenger_accuracy=float(challenger_right.mean()),
        p_value=p_value,
        macro_difference=macro.mean,
        macro_standard_error=macro.standard_error,
        regressions=_regressions(common, champion.trained_labels),
    )


def at_least(lost: int, n: int) -> float:
    """Probability of at least `lost` heads in n tosses of a fair coin."""
    from scipy.special import bdtrc

    return 1.0 if lost == 0 else float(bdtrc(lost - 1, n, 0.5))


def _common(training: TrainingSet, choice: Choice, champion: Head) -> _Common | None:
    if champion.held_out is None or choice.winner is None:
        return None
    rows = choice.search.plan.rows[choice.search.plan.scored]
    _, mine, theirs = np.intersect1d(
        training.marks[rows], champion.held_out.marks, assume_unique=True, return_indices=True
    )
    to_champion = _translation(training.labels, champion.trained_labels)
    codes = to_champion[training.codes[rows[mine]]]
    predicted = champion.held_out.predicted[theirs]
    still_there = np.isin(predicted, to_champion[to_champion >= 0])
    kept = (codes >= 0) & still_there
    logits = choice.winner.logits[mine[kept]][:, to_champion >= 0]
    challenger = to_champion[to_champion >= 0][logits.argmax(axis=1)] if kept.any() else codes[:0]
    return _Common(codes=codes[kept], champion=predicted[kept], challenger=challenger)


def _translation(labels: Sequence[str], into: Sequence[str]) -> Codes:
    """(C,) place of each label among others; -1 where it is not there."""
    place = {label: i for i, label in enumerate(into)}
    return np.array([place.get(label, -1) for label in labels], dtype=np.int64)


def _is_worse(fewer: float, p_value: float) -> bool:
    return fewer > TOLERANCE and p_value < LEVEL


def _is_worse_on_average(macro: PairedDifference) -> bool:
    return macro.mean < -TOLERANCE and macro.mean < -ONE_SIDED * macro.standard_error


def _reason(fewer: float, p_value: float, macro: PairedDifference) -> str:
    if _is_worse(fewer, p_value):
        return f"accuracy is {100 * fewer:.1f} points lower (p = {p_value:.2g})"
    if _is_worse_on_average(macro):
        return (
            f"macro accuracy is {-100 * macro.mean:.1f} points lower "
            f"(standard error {100 * macro.standard_error:.1f})"
        )
    return f"not worse: accuracy {-100 * fewer:+.1f} points, macro {100 * macro.mean:+.1f} points"


def _regressions(common: _Common, labels: Sequence[str]) -> tuple[Regression, ...]:
    n_classes = len(labels)
    before = by_class(common.champion, common.codes, n_classes=n_classes).recall
    after = by_class(common.challenger, common.codes, n_classes=n_classes).recall
    counts = np.bincount(common.codes, minlength=n_classes)
    lost = np.nan_to_num(before - after)
    worst = [int(c) for c in np.argsort(-lost, kind="stable")[:LISTED_AT_MOST] if lost[c] > 0]
    return tuple(
        Regression(labels[c], int(counts[c]), float(before[c]), float(after[c])) for c in worst
    )
