"""The map of a gallery: laid out once, then kept true while references come and go.

What comes later is put beside its nearest, so that the map a person knows stays as it is. When
more than a fifth came later, it is laid out anew. Labels move nothing.

Shapes: N references, Q queries, D dimensions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from curate.map.gallery_map import GalleryMap
from curate.map.layout import lay_out
from curate.view import GalleryView
from head.steps import Tell
from holotype.knn import nearest
from holotype.references import Vectors

BESIDE: Final = 5
"""Nearest that say where something is put."""

NEWCOMERS: Final = 0.2
"""Share of references from which on the map is laid out anew."""

LAID_OUT_AT_MOST: Final = 100_000
"""References that are arranged among each other; of more, a sample, and the rest beside these."""


def place(
    view: GalleryView,
    *,
    kept: Path | None = None,
    seed: int = 0,
    anew: bool = False,
    at_most: int = LAID_OUT_AT_MOST,
    tell: Tell | None = None,
) -> GalleryMap:
    """Where every reference lies.

    Args:
        view: of the gallery.
        kept: the file that keeps the map of this gallery and fingerprint; None: it is not kept.
        seed: of the sample and of the layout; the same references and seed give the same map.
        anew: lay it out, even where a kept one would do.
        at_most: references that are arranged; the others are put beside them.
        tell: told how far it is.

    Raises:
        UsageError: openTSNE is not installed.
        OutputError: the file cannot be written.
    """
    known = None if anew or kept is None else GalleryMap.load(kept)
    placed = None if known is None else _updated(known, view)
    if placed is None:
        placed = _laid_out(view, seed=seed, at_most=at_most, tell=tell)
    if kept is not None and placed is not known:
        placed.save(kept)
    return placed


def place_queries(known: GalleryMap, vectors: Vectors, queries: Vectors) -> Vectors:
    """Positions (Q, 2) of vectors that are not on the map.

    Args:
        known: where the references lie.
        vectors: (N, D) of the same references, unit rows.
        queries: (Q, D), unit rows.
    """
    rows = np.flatnonzero(known.laid_out)
    return beside(known.positions[rows], vectors[rows], queries)


def beside(positions: Vectors, vectors: Vectors, queries: Vectors) -> Vectors:
    """The middle (Q, 2) of the nearest references of each query, coordinate by coordinate.

    The median, not the mean: between two groups, where a mean may fall, nothing lies.
    """
    rows = nearest(queries, vectors, r=BESIDE).rows
    return np.median(positions[rows], axis=1).astype(np.float32)


def _updated(known: GalleryMap, view: GalleryView) -> GalleryMap | None:
    """The map without what left and with what came; None where too much came."""
    if known.ids == view.ids:
        return known
    rows = {id_: row for row, id_ in enumerate(known.ids)}
    at = np.array([rows.get(id_, -1) for id_ in view.ids])
    new = at < 0
    later = np.where(new, True, known.later[at])
    laid_out = ~new & known.laid_out[at]
    if later.mean() > NEWCOMERS or not laid_out.any():
        return None
    positions = known.positions[at]
    vectors = view.training.vectors
    if new.any():
        positions[new] = beside(positions[laid_out], vectors[laid_out], vectors[new])
    return GalleryMap(view.ids, positions, laid_out, later)


def _laid_out(view: GalleryView, *, seed: int, at_most: int, tell: Tell | None) -> GalleryMap:
    vectors, n = view.training.vectors, len(view)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:at_most])
    laid_out = np.zeros(n, dtype=np.bool_)
    laid_out[chosen] = True
    positions = np.empty((n, 2), dtype=np.float32)
    positions[laid_out] = lay_out(vectors[laid_out], seed=seed, tell=tell)
    if n > at_most:
        positions[~laid_out] = beside(positions[laid_out], vectors[laid_out], vectors[~laid_out])
    return GalleryMap(view.ids, positions, laid_out, np.zeros(n, dtype=np.bool_))
