"""Divisions of a set into references and queries.

Shapes: N pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.features import Features
from holotype.references import Codes

QUERY_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row numbers of both sides."""

    references: Codes
    queries: Codes


def random_split(features: Features, seed: int) -> Split:
    """Stratified 80/20; near-duplicates stay on one side.

    Of each class, shuffled groups become queries while they fit into its fifth.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(features.groups)
    queries: list[int] = []
    for label in range(features.codes.max() + 1):
        # A group may hold pictures of two classes; it belongs to that of its first one.
        groups = [
            g for g in np.flatnonzero(sizes) if features.codes[features.groups == g][0] == label
        ]
        rng.shuffle(groups)
        room = round(QUERY_SHARE * sum(int(sizes[g]) for g in groups))
        for group in groups:
            if sizes[group] <= room:
                queries.append(int(group))
                room -= int(sizes[group])
    is_query = np.isin(features.groups, queries)
    return Split(np.flatnonzero(~is_query), np.flatnonzero(is_query))


def given_split(features: Features) -> Split:
    """The set's own parts."""
    return Split(np.flatnonzero(features.parts == "train"), np.flatnonzero(features.parts == "val"))


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """A split of which some classes are not among the references."""

    references: Codes
    known: Codes
    """Queries of classes that have references."""
    unknown: Codes
    """All pictures of the classes that have none."""


def without_classes(features: Features, seed: int, *, share: float) -> Strangers:
    """A random split with this share of the classes held out."""
    split = random_split(features, seed)
    n_classes = int(features.codes.max()) + 1
    rng = np.random.default_rng(1000 + seed)
    held_out = rng.choice(n_classes, size=max(1, round(share * n_classes)), replace=False)

    def kept(rows: Codes) -> Codes:
        return rows[~np.isin(features.codes[rows], held_out)]

    return Strangers(
        references=kept(split.references),
        known=kept(split.queries),
        unknown=np.flatnonzero(np.isin(features.codes, held_out)),
    )


def near_duplicate_pairs(features: Features) -> int:
    """Pictures beyond the first of each group."""
    return len(features) - len(np.unique(features.groups))


def describe(features: Sequence[Features]) -> list[dict[str, str | int]]:
    """One row a set: its size, and what was found in it."""
    return [
        {
            "set": f.name,
            "classes": len(np.unique(f.codes)),
            "pictures": len(f),
            "near-duplicates": near_duplicate_pairs(f),
        }
        for f in features
    ]
