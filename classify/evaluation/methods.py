"""Classifiers that a learning curve compares, trained anew for every draw.

Small versions of what the commands do, on arrays: plain k-NN, k-NN in the whitened space, and
shrinkage LDA, which stands for the head because it has a closed form.

Shapes: N references, Q queries, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from classify.evaluation.learning import Classify
from holotype.references import Codes, Floats, Vectors
from holotype.votes import VoteRule, Voting, Weighting

BLOCK_ELEMENTS = 4 * 1024 * 1024
"""Similarities held at a time."""


def compared(
    vectors: Vectors, classes: Codes, *, cosine: Voting, learned: Voting
) -> Mapping[str, Classify]:
    """What a curve shows, trained on (N, D) unit rows and their (N,) classes.

    Where no class has two references that differ, nothing can be learned about their spread:
    the space stays as it is.
    """
    space = Whitening.learned(vectors, classes)
    placed = space(vectors)
    return {
        "k-NN, cosine": NearestNeighbours(vectors, classes, k=cosine.k, rule=cosine.rule),
        "k-NN, learned metric": NearestNeighbours(
            _unit(placed), classes, k=learned.k, rule=learned.rule, space=space
        ),
        "linear (LDA)": NearestMean.of(placed, classes, space=space),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Brings vectors into a space where classes are round."""

    root: Floats | None
    """(D, D) lower Cholesky factor of the within-class covariance; None: the space as it is."""

    @classmethod
    def learned(cls, vectors: Vectors, classes: Codes) -> Whitening:
        """From the spread of (N, D) vectors about their class means, Ledoit-Wolf shrunk."""
        from sklearn.covariance import ledoit_wolf

        _, own = np.unique(classes, return_inverse=True)
        several = np.bincount(own)[own] > 1
        centred = (vectors - _means(vectors, own)[own])[several]
        if not np.any(np.abs(centred) > np.finfo(np.float32).eps):
            return cls(None)
        covariance, _ = ledoit_wolf(centred, assume_centered=True)
        # Of full rank, whatever the shrinkage came to.
        floor = np.finfo(np.float32).eps * np.trace(covariance) / len(covariance)
        return cls(np.linalg.cholesky(covariance + floor * np.eye(len(covariance))))

    def __call__(self, vectors: Vectors) -> Vectors:
        """(N, D) vectors in that space. Any root will do: cosines do not change by rotation."""
        from scipy.linalg import solve_triangular

        if self.root is None:
            return vectors
        placed: Vectors = solve_triangular(self.root, vectors.T, lower=True).T.astype(np.float32)
        return placed


@dataclass(frozen=True, slots=True, eq=False)
class NearestNeighbours:
    """k-NN by cosine in some space."""

    vectors: Vectors
    """(N, D) unit rows, in that space."""
    classes: Codes
    k: int
    rule: VoteRule
    space: Whitening = Whitening(None)

    def __call__(self, queries: Vectors) -> Codes:
        """(Q,) classes of (Q, D) unit rows."""
        sizes = np.bincount(self.classes).astype(np.float64)
        # Kriging gathers the neighbours' vectors; the others look at similarities alone.
        step = max(1, BLOCK_ELEMENTS // max(len(self.vectors), self.k * self.vectors.shape[1]))
        placed = _unit(self.space(queries))
        return np.concatenate(
            [
                self._vote(placed[start : start + step] @ self.vectors.T, sizes)
                for start in range(0, len(placed), step)
            ]
        )

    def _vote(self, cosine: Vectors, sizes: Floats) -> Codes:
        k = min(self.k, cosine.shape[1])
        nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(cosine, nearest, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        nearest = np.take_along_axis(nearest, order, axis=1)
        affinities = None
        if self.rule.weighting is Weighting.KRIGING:
            places = self.vectors[nearest]
            affinities = places @ places.transpose(0, 2, 1)
        votes = self.rule.cast(
            np.take_along_axis(found, order, axis=1),
            self.classes[nearest],
            class_sizes=sizes,
            affinities=affinities,
        )
        return votes.ranking()[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class NearestMean:
    """Shrinkage LDA: the nearest class mean in the whitened space, with priors as they come."""

    present: Codes
    """(C,) the classes."""
    means: Floats
    """(C, D) in the whitened space."""
    log_priors: Floats
    """(C,) up to a constant."""
    space: Whitening

    @classmethod
    def of(cls, placed: Vectors, classes: Codes, *, space: Whitening) -> NearestMean:
        """From (N, D) whitened vectors."""
        present, own = np.unique(classes, return_inverse=True)
        return cls(present, _means(placed, own), np.log(np.bincount(own)), space)

    def __call__(self, queries: Vectors) -> Codes:
        """(Q,) classes of (Q, D) unit rows."""
        bias = self.log_priors - 0.5 * np.einsum("cd,cd->c", self.means, self.means)
        best: Codes = self.present[np.argmax(self.space(queries) @ self.means.T + bias, axis=1)]
        return best


def _means(vectors: Vectors, own: Codes) -> Floats:
    counts = np.bincount(own)
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, own, vectors)
    means: Floats = sums / counts[:, None]
    return means


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
