"""Views of small made galleries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curate.view import GalleryView
from holotype.columns import References
from holotype.references import Vectors


def unit_rows(rows: np.typing.ArrayLike) -> Vectors:
    """(N, D) float32 of length 1."""
    raw = np.asarray(rows, float)
    scaled: Vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def view_of(
    vectors: Vectors, labels: Sequence[str], groups: Sequence[str | None] | None = None
) -> GalleryView:
    """References 0 .. N - 1, by `id_of`."""
    ids = [id_of(row) for row in range(len(vectors))]
    return GalleryView.of(
        References(ids, vectors, list(labels), list(groups or [None] * len(vectors)))
    )


def id_of(row: int) -> str:
    """A UUID for a number."""
    return f"{row:08x}-0000-5000-8000-000000000000"


def classes(
    n: int, each: int, *, spread: float = 0.6, dimension: int = 32, seed: int = 0
) -> tuple[Vectors, list[str]]:
    """`each` references of n classes around means of length 1, and their labels."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n, dimension)) / np.sqrt(dimension)
    noise = rng.normal(size=(n, each, dimension)) * spread / np.sqrt(dimension)
    return (
        unit_rows((means[:, None] + noise).reshape(n * each, dimension)),
        [f"class {c}" for c in range(n) for _ in range(each)],
    )


def twin_of(vectors: Vectors, row: int, *, distance: float, seed: int = 0) -> Vectors:
    """(1, D) at this distance (1 - cosine) from a row."""
    rng = np.random.default_rng([seed, row])
    aside = rng.normal(size=vectors.shape[1])
    aside -= aside @ vectors[row] * vectors[row]
    cosine = 1 - distance
    sine = np.sqrt(1 - cosine**2)
    return unit_rows([cosine * vectors[row] + sine * aside / np.linalg.norm(aside)])
