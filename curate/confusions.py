"""How labels are confused, estimated from the gallery itself, and what that says of each label.

As confident learning does (Northcutt, Jiang and Chuang, JAIR 2021), given labels are held against
out-of-fold answers. Here it is a mixture that expectation-maximisation fits: a reference of true
class j carries the label j, or with the error rate another one, drawn from what class j is
confused with. That distribution is pulled towards even by `PRIOR`: it stays even where
errors go anywhere, and finds the class that they go to where they go to one.

By Bayes' rule a true class then has the probability p(class | picture) * p(label | class), scaled.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from holotype.references import Codes, Floats, Vectors

PRIOR: Final = 3.0
"""References of even confusion that a class's own confusions are added to. Chosen with `SHARPER`
on draws that are not reported (`docs/LAB.md`)."""

SHARPER: Final = 1.25
"""Power of the probabilities before anything else: wrong labels made them too doubtful, in
training as in calibration."""

EXPECTED_RATE: Final = 0.05
"""Error rate before anything was seen, with the weight of `EXPECTED_WEIGHT` references."""

EXPECTED_WEIGHT: Final = 5.0
HIGHEST_RATE: Final = 0.3
"""Beyond it labels say too little to be doubted one by one."""

TINY: Final = np.float32(1e-30)

ROUNDS: Final = 25
"""Of expectation and maximisation."""

ESTIMATED_ON: Final = 20_000
"""References that settle the confusions."""


@dataclass(frozen=True, slots=True, eq=False)
class Confusions:
    """How labels go wrong."""

    rate: float
    """Share of labels that are wrong."""
    given: Floats
    """(C, C) probability of the given label (column) under the true class (row)."""

    @classmethod
    def estimated(cls, probabilities: Vectors, codes: Codes) -> Confusions:
        """From out-of-fold probabilities (M, C) of at least two classes, and given labels (M,)."""
        step = -(-len(codes) // ESTIMATED_ON)
        probabilities, codes = probabilities[::step], codes[::step]
        n_classes = probabilities.shape[1]
        own = np.eye(n_classes, dtype=bool)
        even = np.where(own, 0.0, 1 / (n_classes - 1))
        found = cls._of(EXPECTED_RATE, even)
        for _ in range(ROUNDS):
            wrong = np.where(own, 0.0, found.joint(probabilities, codes))
            expected = wrong.sum() + EXPECTED_RATE * EXPECTED_WEIGHT
            rate = min(HIGHEST_RATE, float(expected / (len(codes) + EXPECTED_WEIGHT)))
            by_class = wrong.sum(axis=1, keepdims=True)
            found = cls._of(rate, (wrong + PRIOR * even) / (by_class + PRIOR))
        return found

    @classmethod
    def _of(cls, rate: float, wrong: Floats) -> Confusions:
        given = rate * wrong
        np.fill_diagonal(given, 1 - rate)
        return cls(rate, given)

    def posterior(self, probabilities: Vectors, label: int) -> Vectors:
        """(M, C) of the true class, for references that all carry this label; rows sum to 1."""
        likely = probabilities**SHARPER * self.given[:, label].astype(np.float32)
        scaled: Vectors = likely / np.maximum(likely.sum(axis=1, keepdims=True), TINY)
        return scaled

    def joint(self, probabilities: Vectors, codes: Codes) -> Floats:
        """(C, C) expected references by true class (row) and given label (column)."""
        joint = np.zeros_like(self.given)
        for label in np.unique(codes).tolist():
            joint[:, label] = self.posterior(probabilities[codes == label], label).sum(axis=0)
        return joint
