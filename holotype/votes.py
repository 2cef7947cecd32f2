"""How neighbours vote. Arrays in, arrays out: queries, evaluation and calibration share it.

Shapes: Q queries, K neighbours each, C classes. A query with fewer than K neighbours has
class -1 in the places that are left; what stands in `similarities` there is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Similarities = npt.NDArray[np.floating]

KNN_TEMPERATURE = 0.07
"""Meta's k-NN protocol for DINO and DINOv2 weights votes by softmax(similarity / 0.07)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a vote gave each class."""

    weights: Floats
    """(Q, K) what each neighbour's vote counted; a row sums to 1, or to 0 without neighbours."""
    shares: Floats
    """(Q, C) in [0, 1], summed weights of each class."""
    support: Floats
    """(Q, C) summed similarity of the neighbours of each class: breaks ties."""

    def ranking(self) -> Codes:
        """(Q, C) classes, best first: by share, then by summed similarity, then by number."""
        return np.lexsort((-self.support, -self.shares), axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRule:
    """What a neighbour's vote counts."""

    temperature: float | None = KNN_TEMPERATURE
    """Weights are softmax(similarity / temperature); None: every neighbour counts the same."""
    class_cap: int | None = None
    """Only this many neighbours of each class vote, its nearest ones."""
    balance: float = 0.0
    """In [0, 1]. Votes are divided by (references of their class) ** balance: a class with
    100 times the references of another has 100 times as many chances to be near. 1 answers as
    if all classes were equally frequent."""

    def cast(self, similarities: Similarities, classes: Codes, *, class_sizes: Floats) -> Tally:
        """Let neighbours vote.

        Args:
            similarities: (Q, K) in [-1, 1], descending.
            classes: (Q, K) class numbers, -1 where there is no neighbour.
            class_sizes: (C,) references of each class that could have been neighbours.
        """
        weights = self._weights(similarities, classes)
        if self.class_cap is not None:
            weights = np.where(
                _place_in_class(classes, len(class_sizes)) < self.class_cap, weights, 0
            )
        if self.balance:
            weights = weights / np.maximum(class_sizes, 1)[classes] ** self.balance
        weights = _normalised(weights)
        return Tally(
            weights=weights,
            shares=_sum_by_class(weights, classes, len(class_sizes)),
            support=_sum_by_class(similarities, classes, len(class_sizes)),
        )

    def _weights(self, similarities: Similarities, classes: Codes) -> Floats:
        present = classes >= 0
        if self.temperature is None:
            return present.astype(np.float64)
        logits = np.where(present, similarities / self.temperature, -np.inf).astype(np.float64)
        highest = logits.max(axis=1, keepdims=True, initial=-np.inf)
        weights: Floats = np.exp(logits - np.where(np.isfinite(highest), highest, 0.0))
        return weights


def _place_in_class(classes: Codes, C: int) -> Codes:
    """(Q, K) how many neighbours of the same class are nearer."""
    Q, K = classes.shape
    place = np.zeros((Q, K), dtype=np.intp)
    seen = np.zeros((Q, C + 1), dtype=np.intp)  # the last column counts those that are missing
    queries = np.arange(Q)
    for k in range(K):
        place[:, k] = seen[queries, classes[:, k]]
        seen[queries, classes[:, k]] += 1
    return place


def _sum_by_class(values: Similarities, classes: Codes, C: int) -> Floats:
    present = classes >= 0
    sums = np.zeros((classes.shape[0], C))
    queries = np.broadcast_to(np.arange(classes.shape[0])[:, None], classes.shape)
    np.add.at(sums, (queries[present], classes[present]), values[present])
    return sums


def _normalised(weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    normalised: Floats = weights / np.where(total > 0, total, 1.0)
    return normalised
