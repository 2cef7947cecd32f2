"""Vectors on two dimensions, so that what is near stays near: t-SNE of their principal components.

openTSNE (Policar et al. 2024) was measured against UMAP and PaCMAP (`benchmarks/map.py`). It gets
exact neighbours and a start from the first two components, so the same vectors give the same map.

Shapes: N vectors, D dimensions, P components.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from head.steps import Standing, Tell
from holotype.errors import UsageError
from holotype.references import Codes, Floats, Vectors

COMPONENTS: Final = 50
"""Principal components that neighbours are found in."""

NEIGHBOURS: Final = 30
"""Nearest that pull; the perplexity is a third of it."""

EARLY, LATE = 125, 250
"""Steps with and without exaggeration, half of what is usual: trust is the same after them."""

FEWEST: Final = 5
"""With fewer vectors there is nothing to arrange: the first two components are the map."""

ALL_CORES_FROM: Final = 5_000
"""Vectors. With fewer, cores would wait for each other longer than they work."""

AS_LONG_AT: Final = 80_000
"""Vectors at which finding the nearest takes as long as the layout."""

BLOCK_ROWS: Final = 4_096

_START_SPREAD, _JITTER = 1e-4, 1e-6
_TOLD_EVERY: Final = 25
"""Steps."""


def lay_out(vectors: Vectors, *, seed: int = 0, tell: Tell | None = None) -> Vectors:
    """Positions (N, 2) of `vectors` (N, D), centred, the farthest at 1 from the middle.

    Args:
        vectors: unit rows.
        seed: of the slight shift that parts vectors which are the same.
        tell: told how far it is.

    Raises:
        UsageError: openTSNE is not installed.
    """
    told = tell or (lambda _: None)
    open_tsne = _library()
    told(Standing("finding what is near", 0.0))
    points = principal_components(vectors)
    spread = float(points[:, 0].std()) or 1.0
    noise = np.random.default_rng(seed).standard_normal((len(points), 2))
    start = _START_SPREAD * points[:, :2].astype(np.float64) / spread + _JITTER * noise
    if len(vectors) < FEWEST:
        return _scaled(start)
    first = len(points) / (len(points) + AS_LONG_AT)  # share of the time
    near = _nearest(points, lambda done: told(Standing("finding what is near", first * done)))
    affinities = _affinities(open_tsne, *near)

    def heard(before: int) -> Any:
        def step(n: int, _error: float, _positions: object) -> None:
            share = first + (1 - first) * (before + n) / (EARLY + LATE)
            told(Standing("laying out the map", share))

        return step

    positions = open_tsne.TSNEEmbedding(
        start,
        affinities,
        n_jobs=_cores(len(points)),
        random_state=seed,
        callbacks_every_iters=_TOLD_EVERY,
    )
    for before, steps, exaggeration in ((0, EARLY, 12), (EARLY, LATE, 1)):
        positions = positions.optimize(
            n_iter=steps, exaggeration=exaggeration, momentum=0.8, callbacks=heard(before)
        )
    return _scaled(np.asarray(positions))


def principal_components(vectors: Vectors) -> Vectors:
    """(N, P) coordinates along the directions of the largest variance; at least two columns."""
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    largest = directions[:, ::-1][:, :COMPONENTS]
    # A direction's sign is arbitrary: the largest entry is made positive.
    largest = largest * np.sign(
        np.take_along_axis(largest, np.abs(largest).argmax(axis=0, keepdims=True), axis=0)
    )
    points = np.zeros((len(vectors), max(2, largest.shape[1])), dtype=np.float32)
    points[:, : largest.shape[1]] = centred @ largest.astype(np.float32)
    return points


def _nearest(points: Vectors, told: Callable[[float], None]) -> tuple[Codes, Floats]:
    """Rows (N, k) of the nearest others, exactly, nearest first, and how far they are."""
    from sklearn.neighbors import NearestNeighbors

    n = len(points)
    k = min(NEIGHBOURS, n - 1)
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", n_jobs=_cores(n)).fit(points)
    rows, distances = np.empty((n, k), np.int64), np.empty((n, k))
    for start in range(0, n, BLOCK_ROWS):
        block = slice(start, min(start + BLOCK_ROWS, n))
        far, near = search.kneighbors(points[block])
        own = near == np.arange(block.start, block.stop)[:, None]
        own[~own.any(axis=1), -1] = True  # among many copies it may be missing
        rows[block], distances[block] = near[~own].reshape(-1, k), far[~own].reshape(-1, k)
        told(block.stop / n)
    return rows, distances


def _affinities(open_tsne: Any, rows: Codes, distances: Floats) -> Any:
    """Who pulls whom, and how much."""
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    return open_tsne.affinity.PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(rows, distances),
        perplexity=rows.shape[1] / 3,
        n_jobs=_cores(len(rows)),
    )


def _scaled(positions: npt.NDArray[np.float64]) -> Vectors:
    centred = positions - positions.mean(axis=0)
    return np.asarray(centred / (np.linalg.norm(centred, axis=1).max() or 1.0), dtype=np.float32)


def _library() -> Any:
    try:
        import openTSNE
    except ImportError as error:
        raise UsageError("a map takes openTSNE: pip install 'holotype[map]'") from error
    return openTSNE


def _cores(n: int) -> int:
    return 1 if n < ALL_CORES_FROM else os.cpu_count() or 1
