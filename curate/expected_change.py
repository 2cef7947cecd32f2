"""How many answers the next labels are expected to change: when to stop labelling.

It looks back. A fifth of the references is kept aside, and these and the pictures that wait are
asked about twice: answered from all other references, and from fewer of them, as many less as
labels are to come. The share of answers that differ is what that many labels changed; five times,
so that every reference is asked about once. Neither kind would do alone: what was hard among the
pictures is a reference by now, and what still waits is easy (`docs/LAB.md`). So each counts as
what it is a share of, all pictures with and without a label.

Shapes: N references, L pictures, D dimensions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from curate.opinion import Opinion
    from head.data.training_set import TrainingSet
    from holotype.references import Vectors

PARTS: Final = 5

LARGEST_SHARE: Final = 1 / 3
"""Of the references is taken out at most; what more labels change is carried on from there."""

FITTED_AT_MOST: Final = 100_000
"""References times parts: bounds the time."""

CAME_TRUE: Final = 0.7
"""Of what was counted (`docs/LAB.md`): a batch that was chosen leaves less to the next one."""

CARRIED_ON: Final = 0.5
"""Power of how much more of the gallery's logarithm the labels are than what was taken out."""

FROM, TO = 0.45, 1.7
"""Nine of ten times what came was between these, times what was said (`docs/LAB.md`)."""


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """Of the answers to pictures like these."""

    labels: int
    """More references."""
    share: float
    """Of the answers that will be another, in [0, 1]."""
    low: float
    high: float
    """Nine of ten times it is between these."""

    def __str__(self) -> str:
        """The sentence for people."""
        return (
            f"the next {self.labels} labels are expected to change {self.share:.1%} of the answers "
            f"({self.low:.1%} to {self.high:.1%})"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def expected_change(
    waiting: Vectors,
    training: TrainingSet,
    opinion: Opinion,
    *,
    pictures: int,
    labels: int,
    seed: int = 0,
) -> ExpectedChange | None:
    """Count what as many references changed, and carry it on.

    Args:
        waiting: (L, D) unit rows of pictures without a label, at least one.
        training: the gallery.
        opinion: that it has.
        pictures: how many wait, of which `waiting` may be a sample.
        labels: how many more references.
        seed: of what is kept aside and taken out.

    Returns:
        None where too few references are there to take some out.
    """
    order = np.random.default_rng(seed).permutation(int(training.groups.max()) + 1)
    placed = order[training.groups]  # groups stay together, here and there
    among_waiting: list[float] = []
    asked = differing = 0
    more: list[float] = []
    for part in range(min(PARTS, max(1, FITTED_AT_MOST // len(training)))):
        aside = training.vectors[placed % PARTS == part]
        left = np.flatnonzero(placed % PARTS != part)
        left = left[np.argsort(placed[left], kind="stable")]
        out = min(labels, int(len(left) * LARGEST_SHARE))
        after = opinion.learned_from(training.rows(np.sort(left)))
        before = opinion.learned_from(training.rows(np.sort(left[out:])))
        if not out or after is None or before is None:
            continue
        among_waiting.append(float(np.mean(after.answers(waiting) != before.answers(waiting))))
        differing += int(np.count_nonzero(after.answers(aside) != before.answers(aside)))
        asked += len(aside)
        more.append(log(1 + labels / len(training)) / log(len(left) / (len(left) - out)))
    if not asked:
        return None
    n = len(training)
    counted = (n * differing / asked + pictures * np.mean(among_waiting)) / (n + pictures)
    share = min(1.0, CAME_TRUE * float(counted) * float(np.mean(more)) ** CARRIED_ON)
    # None of twenty is not none of all: the interval allows for one answer more than was seen.
    high = max(TO * share, 1 / (asked + len(among_waiting) * len(waiting)))
    return ExpectedChange(labels, share, FROM * share, min(1.0, high))
