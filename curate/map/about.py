"""What a map is coloured by, beside labels and groups: error and novelty of every reference.

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.out_of_fold import OutOfFold
from head.data.training_set import TrainingSet

BLOCK_ROWS = 8_192


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """In [0, 1] or a little more; NaN where it is not known."""

    error: npt.NDArray[np.float32]
    """(N,): probability that its label is not the right one, by models that never saw it."""
    novelty: npt.NDArray[np.float32]
    """(N,): one minus the cosine with the mean of the nearest class, its own group left out."""


def about(training: TrainingSet, outs: OutOfFold) -> About:
    """Of every reference.

    Args:
        training: of the gallery.
        outs: what models said that never saw the reference.
    """
    error = np.full(len(training.codes), np.nan, dtype=np.float32)
    given = outs.probabilities[np.arange(len(outs.rows)), training.codes[outs.rows]]
    error[outs.rows] = 1 - given
    return About(error, _novelty(training))


def _novelty(training: TrainingSet) -> npt.NDArray[np.float32]:
    vectors, codes = training.vectors, training.codes
    # All references of one class and one group, which are left out together.
    _, parts = np.unique(np.stack([codes, training.groups]), axis=1, return_inverse=True)
    sums = _sums(vectors, codes, len(training.labels))
    own = _sums(vectors, parts, int(parts.max()) + 1)
    means = _unit(sums)
    novelty = np.empty(len(codes), dtype=np.float32)
    for first in range(0, len(codes), BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        cosines = vectors[rows] @ means.T
        rest = _unit(sums[codes[rows]] - own[parts[rows]])
        at = np.arange(len(cosines))
        cosines[at, codes[rows]] = np.einsum("nd,nd->n", vectors[rows], rest)
        alone = ~rest.any(axis=1)  # nothing is left of its class
        cosines[at[alone], codes[rows][alone]] = -np.inf
        novelty[rows] = 1 - cosines.max(axis=1)
    novelty[np.isposinf(novelty)] = np.nan
    return novelty


def _sums(
    vectors: npt.NDArray[np.float32], codes: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.float64]:
    """(n, D): of the vectors of each code."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(n))
    return np.add.reduceat(vectors[order], starts, axis=0, dtype=np.float64)


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Rows of length one; what was nothing but rounding is zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    lengths[lengths < 1e-5] = np.inf
    return np.asarray(rows / lengths, dtype=np.float32)
