"""Linear discriminant analysis with shrinkage: a head in closed form.

Every class is taken for a Gaussian about its own mean with one common covariance, the
shrunk within-class covariance. The log posterior is then linear in the vector: weights
`inv(S) m_c`, bias `- m_c inv(S) m_c / 2 + log prior_c` (Hastie, Tibshirani and Friedman,
Elements of Statistical Learning, 4.3).

Shapes: C classes, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from head.fit.statistics import WithinClass
from holotype.references import Floats


@dataclass(frozen=True, slots=True, eq=False)
class LinearLayer:
    """Weights and bias: `vectors @ weights.T + bias` are the logits."""

    weights: Floats
    """(C, D)."""
    bias: Floats
    """(C,)."""

    def logits(self, vectors: npt.NDArray[np.floating]) -> Floats:
        """(N, C) for (N, D)."""
        scores: Floats = vectors @ self.weights.T + self.bias
        return scores

    def scaled(self, factor: float) -> LinearLayer:
        """The layer whose logits are `factor` times these."""
        return LinearLayer(self.weights * factor, self.bias * factor)

    def __add__(self, other: LinearLayer) -> LinearLayer:
        """The layer whose logits are the sum of both."""
        return LinearLayer(self.weights + other.weights, self.bias + other.bias)


def discriminants(within: WithinClass) -> LinearLayer:
    """The LDA layer of all classes, priors as in the gallery."""
    return discriminant_rows(
        within.whitening(),
        means=within.means,
        counts=within.counts,
        reference=within.centre,
    )


def discriminant_rows(
    whitening: Floats, *, means: Floats, counts: Floats, reference: Floats
) -> LinearLayer:
    """Rows for these classes.

    Softmax does not change when every class gets the same addition. So vectors and means are
    taken relative to a reference point, which leaves float32 its digits; rows that share
    whitening and reference belong together, whenever they were made.

    Args:
        whitening: (D, D) W with W @ W.T the inverse covariance.
        means: (C, D).
        counts: (C,) references per class; priors are their ratios.
        reference: (D,) e.g. the mean of all references.
    """
    placed = (means - reference) @ whitening
    weights = placed @ whitening.T
    log_prior = np.log(np.maximum(counts, 1))
    return LinearLayer(
        weights=weights,
        bias=log_prior - 0.5 * (placed**2).sum(axis=1) - weights @ reference,
    )
