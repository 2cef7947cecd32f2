"""How many answers the next labels are expected to change: when to stop labelling.

It looks back: some references are taken out at random, a few times, and it is counted how many
answers to the pictures that wait change when they come back. What a label changes falls as the
gallery grows, so the same number changes less the next time: the count is carried on as the
logarithm of the gallery's size.

Shapes: L pictures, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Final

import numpy as np

from holotype.references import Vectors

if TYPE_CHECKING:
    from curate.opinion import Opinion
    from head.data.training_set import TrainingSet

DRAWS: Final = 6

LARGEST_SHARE: Final = 1 / 3
"""Of the references is taken out at most."""

CARRIED_ON: Final = 1.0
"""What came true, as a share of what the count says (`docs/LAB.md`)."""


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """Of answers to pictures like those that wait."""

    labels: int
    """More references."""
    share: float
    """Of the answers that will be another, in [0, 1]."""
    low: float
    high: float
    """Nine of ten times it is between these (`docs/LAB.md`)."""

    def __str__(self) -> str:
        """The sentence for people."""
        return (
            f"the next {self.labels} labels are expected to change {self.share:.1%} of the answers "
            f"(from {self.low:.1%} to {self.high:.1%})"
        )


def expected_change(
    vectors: Vectors, training: TrainingSet, opinion: Opinion, *, labels: int, seed: int = 0
) -> ExpectedChange | None:
    """Count what the last references changed, and carry it on.

    Args:
        vectors: (L, D) unit rows of pictures that wait.
        training: the gallery.
        opinion: that it has.
        labels: how many more references.
        seed: of what is taken out.

    Returns:
        None where no references can be taken out.
    """
    n = len(training)
    out = min(max(labels, 1), int(n * LARGEST_SHARE))
    answers = opinion.answers(vectors)
    rng = np.random.default_rng(seed)
    changed = []
    for _ in range(DRAWS):
        before = opinion.learned_from(training.rows(np.sort(rng.permutation(n)[out:])))
        if out and before is not None:
            changed.append(float(np.mean(before.answers(vectors) != answers)))
    if not changed:
        return None
    rate = float(np.mean(changed)) / log(n / (n - out))
    share = CARRIED_ON * rate * log((n + labels) / n)
    return ExpectedChange(labels, share, share, share)
