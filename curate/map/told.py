"""A map for a page or a program: JSON that stays small at 100,000 references.

Shapes: N references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.map.about import about
from curate.map.placing import place
from curate.out_of_fold import out_of_fold
from curate.view import GalleryView
from head.steps import Standing, Tell
from holotype.knn import nearest

PLACING = 0.85
"""Share of the whole that the layout is said to be."""

DIGITS = 4
"""Of positions in [-1, 1]: a fifth of a pixel on a screen of 4,000."""


def map_of(view: GalleryView, options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The map, and what it is coloured by: columns of N, in id order.

    Args:
        view: of the gallery.
        options: `kept`, the file that keeps the layout; `seed`; `anew`; `neighbours`, how many
            of the nearest are named for each. All of them may be left out.
        tell: told how far it is.

    Returns:
        `ids`, `x`, `y`, `labels` and `groups` (names, each once), `label` and `group` (numbers of
        these; group -1: none), `error` and `novelty` (null where unknown), `later` (true where
        it was put beside its nearest after the map was laid out), perhaps `neighbours` (rows).
    """
    kept = options.get("kept")
    placed = place(
        view,
        kept=None if kept is None else Path(kept),
        seed=int(options.get("seed", 0)),
        anew=bool(options.get("anew", False)),
        tell=lambda standing: tell(Standing(standing.step, PLACING * standing.share)),
    )
    tell(Standing("asking models that never saw a reference", PLACING))
    known = about(view.training, out_of_fold(view.training))
    groups, numbers = _numbered(view.groups)
    found = {
        "ids": placed.ids,
        "x": _rounded(placed.positions[:, 0]),
        "y": _rounded(placed.positions[:, 1]),
        "labels": list(view.training.labels),
        "label": view.training.codes.tolist(),
        "groups": groups,
        "group": numbers,
        "error": _rounded(known.error),
        "novelty": _rounded(known.novelty),
        "later": placed.later.tolist(),
    }
    if k := int(options.get("neighbours", 0)):
        tell(Standing("finding the nearest of each", 0.95))
        found["neighbours"] = neighbours(view, k).tolist()
    return found


def neighbours(view: GalleryView, k: int) -> npt.NDArray[np.int64]:
    """(N, k) rows of the nearest others by cosine, exactly, nearest first; fewer where fewer are.

    Of the same picture twice each is the other's first.
    """
    vectors = view.training.vectors
    k = min(k, len(view) - 1)
    own = np.arange(len(view))
    return nearest(vectors, vectors, r=k, groups=(own, own)).rows


def _numbered(names: Sequence[str | None]) -> tuple[list[str], list[int]]:
    known = {name: i for i, name in enumerate(sorted({n for n in names if n is not None}))}
    return list(known), [-1 if name is None else known[name] for name in names]


def _rounded(column: npt.NDArray[np.floating]) -> list[float | None]:
    """For JSON, which has no NaN."""
    exact = column.astype(np.float64).round(DIGITS).tolist()
    return [value if value == value else None for value in exact]
