"""The winner, fitted to every reference.

A search's folds used a part of the references; this uses all of them. The penalty of a
logistic regression per reference stays what was cross-validated, so C shrinks by the same
share: at the same C the final logits would be larger than those that the temperature was
fitted to, and every probability too sure of itself. Vectors are mapped
and rotated a block at a time; beyond `COPY_UP_TO` bytes that is done in place where it may be,
because two copies of a million vectors would not fit.

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.choice.candidates import AVERAGE, DEFAULT_STRENGTH, LDA, WHITENED, average_layer
from head.fit.lda import LinearLayer, discriminants
from head.fit.logistic import Solution, make_space, rotated, solve
from head.fit.statistics import means_alone

if TYPE_CHECKING:
    from head.choice.candidates import Candidate
    from head.choice.cross_validation import CrossValidation
    from head.data.training_set import TrainingSet
    from head.fit.options import TrainOptions
    from head.fit.statistics import WithinClass
    from holotype.references import Vectors

COPY_UP_TO = 512 * 2**20

BLOCK_ROWS = 8192
"""Vectors mapped and rotated at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """What a final fit needs, whichever candidate won."""

    training: TrainingSet
    search: CrossValidation
    within: WithinClass | None
    """Of all references in the search's coordinates, shrunk as was settled."""
    options: TrainOptions

    def winner(self, winner: Candidate | None) -> LinearLayer:
        """The final layer of a candidate; where nothing was scored, of a logistic regression."""
        return self.search.span.layer(self.layer(winner))

    def layer(self, winner: Candidate | None) -> LinearLayer:
        """The same, in the search's coordinates."""
        if winner is not None:
            if winner.kind == LDA and self.within is not None:
                return discriminants(self.within)
            if winner.kind == AVERAGE and self.within is not None:
                lda, best = winner.parts
                return average_layer(lda, discriminants(self.within), best, self._logistic(best))
        return self._logistic(winner)

    def _logistic(self, best: Candidate | None) -> LinearLayer:
        """A logistic regression at the strength that won; at the default where none could.

        It starts from what the first fold found, most of the way there.
        """
        training = self.training
        within = self.within or self._means_alone()
        space = make_space(self._placed(within), training.codes, within, self.options)
        if best is None or best.strength is None:
            return solve(space, DEFAULT_STRENGTH).layer(space)
        start = Solution.placed(best.layers[0], space)
        whitened = best.kind == WHITENED and self.within is not None
        strength = best.strength * self._share(best)
        return solve(space, strength, whitened=whitened, start=start).layer(space)

    def _share(self, candidate: Candidate) -> float:
        """How many of the references a fold was trained on, in the mean."""
        trained = [np.count_nonzero(fold.trained) for fold in candidate.search.folds]
        return float(np.mean(trained)) / len(self.training)

    def _means_alone(self) -> WithinClass:
        training = self.training
        vectors = self._coordinates(training.vectors)
        return means_alone(vectors, training.codes, n_classes=len(training.labels))

    def _placed(self, within: WithinClass) -> Vectors:
        """(N, R) as the solver takes them."""
        vectors, columns = self.training.vectors, within.means.shape[1]
        may_stay = self.options.in_place and vectors.nbytes > COPY_UP_TO
        shape = len(vectors), columns
        out = vectors if may_stay and vectors.shape == shape else np.empty(shape, np.float32)
        for first in range(0, len(vectors), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            out[rows] = rotated(self._coordinates(vectors[rows]), within)
        return out

    def _coordinates(self, vectors: Vectors) -> Vectors:
        return self.search.span.coordinates(self.search.features.of(vectors))
