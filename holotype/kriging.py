"""Votes that know of each other: kriging weights for the neighbours of a query.

A vote that weighs each neighbour by its own similarity alone counts five pictures of one
specimen five times. Kriging (Matheron, Economic Geology 58, 1963; the same as a Gaussian
process on the neighbours) asks for the weights that predict best when labels of near
references are correlated: references that are near each other share one vote, and one that
stands in the shadow of a nearer one of another class may count against its own class. With
`K` the covariances among the neighbours and `k` those with the query,

    w = inv(K + noise I) k,  corrected so that the weights sum to 1 (ordinary kriging).

Covariance is exp(cosine - 1): a Gaussian kernel on unit vectors, 1 for a vector with itself.
It is meant for cosines in the whitened space of a learned metric, where classes are round.

Shapes: Q queries, K neighbours each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]

NOISE = 0.3
"""Variance of a label that nothing explains, in units of the kernel's. Chosen by
cross-validation on training parts (docs/LAB.md); 0.1 does as well, 1 does not."""


def kriging_weights(
    to_query: npt.NDArray[np.floating],
    among: npt.NDArray[np.floating],
    *,
    present: Marks | None = None,
    noise: float = NOISE,
) -> Floats:
    """The weights of each query's neighbours.

    Args:
        to_query: (Q, K) cosine of each neighbour with its query, in [-1, 1].
        among: (Q, K, K) cosines of the neighbours of a query with each other.
        present: (Q, K) False where a list of neighbours is shorter than K; None: all there.
        noise: at least 0; 0 trusts every label and must not meet duplicates.

    Returns:
        (Q, K) weights. A row sums to 1, or to 0 without neighbours; single weights may be
        negative.
    """
    there = np.ones(to_query.shape, dtype=bool) if present is None else present
    covariance = np.where(there[:, :, None] & there[:, None, :], _kernel(among), 0.0)
    diagonal = np.arange(to_query.shape[1])
    covariance[:, diagonal, diagonal] = 1.0 + noise
    wanted = np.stack([np.where(there, _kernel(to_query), 0.0), there.astype(np.float64)], axis=-1)
    solved = np.linalg.solve(covariance, wanted)
    weights, uniform = solved[..., 0], solved[..., 1]
    missing = there.any(axis=1) - weights.sum(axis=1)
    share = uniform / np.maximum(uniform.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    corrected: Floats = weights + share * missing[:, None]
    return corrected


def _kernel(cosine: npt.NDArray[np.floating]) -> Floats:
    return np.exp(np.asarray(cosine, np.float64) - 1.0)
