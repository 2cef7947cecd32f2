"""The winner, fitted to every reference.

A search's folds used a part of the references; this uses all of them. The penalty of a
logistic regression per reference stays what was cross-validated, so C shrinks by the same
share: at the same C the final logits would be larger than those that the temperature was
fitted to, and every probability too sure of itself. Vectors are mapped
and whitened a block at a time; beyond `COPY_UP_TO` bytes that is done in place where it may be,
because two copies of a million vectors would not fit.

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.choice.candidates import AVERAGE, DEFAULT_STRENGTH, LDA, WHITENED, average_layer
from head.fit.lda import LinearLayer, discriminants
from head.fit.whitening import Whitener

if TYPE_CHECKING:
    from head.choice.candidates import Candidate
    from head.data.training_set import TrainingSet
    from head.fit.features import FeatureMap
    from head.fit.options import TrainOptions
    from head.fit.statistics import WithinClass
    from holotype.references import Vectors

COPY_UP_TO = 512 * 2**20

BLOCK_ROWS = 8192
"""Vectors mapped and whitened at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """What a final fit needs, whichever candidate won."""

    training: TrainingSet
    features: FeatureMap
    within: WithinClass | None
    """Of all references, shrunk as was settled."""
    options: TrainOptions

    def winner(self, winner: Candidate | None) -> LinearLayer:
        """The final layer of a candidate; where nothing was scored, of a logistic regression."""
        if winner is not None:
            if winner.kind == LDA and self.within is not None:
                return discriminants(self.within)
            if winner.kind == AVERAGE and self.within is not None:
                lda, best = winner.parts
                return average_layer(lda, discriminants(self.within), best, self.logistic(best))
        return self.logistic(winner)

    def logistic(self, best: Candidate | None) -> LinearLayer:
        """A logistic regression at the strength that won; at the default where none could.

        It starts from what the first fold found, most of the way there.
        """
        if best is None or best.strength is None:
            return self._solve(self._mapped(self.features.of), DEFAULT_STRENGTH)
        strength, start = best.strength * self._share(best), best.layers[0]
        if best.kind != WHITENED or self.within is None:
            return self._solve(self._mapped(self.features.of), strength, start)
        some = self.features.of(self.training.vectors[:: len(self.training) // BLOCK_ROWS + 1])
        whitener = Whitener.learn(self.within, some)
        placed = self._mapped(lambda block: whitener.of(self.features.of(block)))
        return whitener.unfold(self._solve(placed, strength, whitener.fold(start)))

    def _share(self, candidate: Candidate) -> float:
        """How many of the references a fold was trained on, in the mean."""
        trained = [np.count_nonzero(fold.trained) for fold in candidate.search.folds]
        return float(np.mean(trained)) / len(self.training)

    def _mapped(self, change: Callable[[Vectors], Vectors]) -> Vectors:
        vectors = self.training.vectors
        may_stay = self.options.in_place and vectors.nbytes > COPY_UP_TO
        out = vectors if may_stay else np.empty_like(vectors)
        for first in range(0, len(vectors), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            out[rows] = change(vectors[rows])
        return out

    def _solve(
        self, vectors: Vectors, strength: float, start: LinearLayer | None = None
    ) -> LinearLayer:
        from head.fit.logistic import make_space, solve

        space = make_space(
            vectors,
            self.training.codes,
            n_classes=len(self.training.labels),
            options=self.options,
        )
        return solve(space, strength, start=start).layer()
