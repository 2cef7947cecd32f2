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

KNN_TEMPERATURE = 0.07
"""Meta's k-NN protocol for DINO and DINOv2 weights votes by softmax(similarity / 0.07)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a vote gave each class."""

    shares: Floats
    """(Q, C) in [0, 1]; a row sums to 1, or to 0 where a query has no neighbour."""
    support: Floats
    """(Q, C) summed similarity of the neighbours of each class: breaks ties."""

    def ranking(self) -> Codes:
        """(Q, C) classes, best first: by share, then by summed similarity, then by number."""
        return np.lexsort((-self.support, -self.shares), axis=-1)


def majority_weights(classes: Codes) -> Floats:
    """(Q, K): every neighbour counts the same; a row sums to 1."""
    return _normalised((classes >= 0).astype(np.float64))


def softmax_weights(
    similarities: npt.NDArray[np.floating], classes: Codes, *, temperature: float
) -> Floats:
    """(Q, K): softmax(similarity / temperature) over a query's neighbours; a row sums to 1."""
    present = classes >= 0
    logits = np.where(present, similarities / temperature, -np.inf).astype(np.float64)
    highest = logits.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(logits - np.where(np.isfinite(highest), highest, 0.0))
    return _normalised(weights)


def tally(
    weights: Floats,
    similarities: npt.NDArray[np.floating],
    classes: Codes,
    *,
    n_classes: int,
) -> Tally:
    """Sum the weights (Q, K) of each class."""
    present = classes >= 0
    return Tally(
        shares=_sum_by_class(weights, classes, present, n_classes),
        support=_sum_by_class(similarities, classes, present, n_classes),
    )


def _sum_by_class(
    values: npt.NDArray[np.floating], classes: Codes, present: npt.NDArray[np.bool_], C: int
) -> Floats:
    sums = np.zeros((classes.shape[0], C))
    queries = np.broadcast_to(np.arange(classes.shape[0])[:, None], classes.shape)
    np.add.at(sums, (queries[present], classes[present]), values[present])
    return sums


def _normalised(weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)
