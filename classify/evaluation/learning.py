"""How accuracy grows with the number of references per class, from stored vectors alone.

A draw holds a part of every class back as queries and deals out the rest as references:
the first 1, 2, 4, 8, ... of each class, so that a larger gallery of one draw contains the
smaller ones. Groups and near-duplicates stay on one side. Several draws give intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from head.data.scores import score
from holotype.references import Codes, Floats, Vectors

DRAWS = 10
"""Ten draws narrow the interval of the mean to a third of a draw's spread."""

HELD_BACK = 0.25
"""Part of every class that is classified."""

MAX_QUERIES = 2000
"""Queries per draw: enough for a standard error of about one point."""

QUANTILE = 0.975
"""Of Student's t, each way: 95 % intervals."""


class Classify(Protocol):
    """A classifier made for one draw."""

    def __call__(self, queries: Vectors) -> Codes:
        """(Q,) classes of (Q, D) unit rows."""
        ...


Train = Callable[[Vectors, Codes], Mapping[str, Classify]]
"""(references (N, D), their classes (N,)) -> classifiers, by the name that the curve gets."""


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """Accuracy with so many references per class."""

    per_class: int
    accuracy: float
    """Mean over draws of the macro accuracy."""
    low: float
    high: float
    """95 % interval of that mean over draws (Student's t)."""
    draws: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """One line per method."""

    points: Mapping[str, Sequence[LearningPoint]]
    classes: int
    """Classes that have enough references to take part at every size."""
    left_out: Sequence[str]
    """Classes that have not."""


def learning_curve(
    vectors: Vectors,
    classes: Codes,
    groups: Codes,
    labels: Sequence[str],
    *,
    train: Train,
    draws: int = DRAWS,
    seed: int = 0,
) -> LearningCurve | None:
    """Measure the curve.

    Sizes go up to the largest power of two that at least half of the classes can supply
    beside their queries; classes that cannot are left out, so that all points are about the
    same classes. (Were they kept, the curve would bend where the small classes end.)

    Args:
        vectors: (N, D) unit rows.
        classes: (N,) into `labels`.
        groups: (N,) independent references have different numbers.
        labels: C names.
        train: makes the classifiers that are compared, the same ones every time.
        draws: at least 2.
        seed: the same seed gives the same curve.

    Returns:
        None where fewer than two classes have references to spare.
    """
    independent = np.array([len(np.unique(groups[classes == c])) for c in range(len(labels))])
    spare = independent - np.maximum(np.ceil(independent * HELD_BACK).astype(int), 1)
    sizes = _sizes(spare)
    taking_part = np.flatnonzero(spare >= sizes[-1]) if sizes else np.array([], dtype=np.intp)
    if len(taking_part) < 2:
        return None
    rng = np.random.default_rng(seed)
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(draws):
        pools, queries = _draw(rng, classes, groups, taking_part)
        for size in sizes:
            rows = np.concatenate([pool[:size] for pool in pools])
            for name, classify in train(vectors[rows], classes[rows]).items():
                scores = score(classify(vectors[queries]), classes[queries], n_classes=len(labels))
                found.setdefault((name, size), []).append(scores.macro_accuracy)
    names = dict.fromkeys(name for name, _ in found)
    return LearningCurve(
        points={name: [_point(size, found[name, size]) for size in sizes] for name in names},
        classes=len(taking_part),
        left_out=[label for c, label in enumerate(labels) if c not in set(taking_part.tolist())],
    )


def _sizes(spare: npt.NDArray[np.intp]) -> list[int]:
    """1, 2, 4, ... as far as half of the classes go."""
    reach = int(np.median(spare)) if len(spare) else 0
    return [2**i for i in range(max(reach, 0).bit_length())]


def _draw(
    rng: np.random.Generator, classes: Codes, groups: Codes, taking_part: Codes
) -> tuple[list[Codes], Codes]:
    """Per class a shuffled pool of references, one per group; and the queries of all."""
    pools, queries = [], []
    for c in taking_part:
        own = rng.permutation(np.unique(groups[classes == c]))
        held_back = max(int(np.ceil(len(own) * HELD_BACK)), 1)
        of_class = np.flatnonzero(classes == c)
        queries.append(of_class[np.isin(groups[of_class], own[:held_back])])
        pools.append(_one_of_each(rng, of_class, groups, own[held_back:]))
    together = np.concatenate(queries)
    if len(together) > MAX_QUERIES:
        together = rng.choice(together, MAX_QUERIES, replace=False)
    return pools, together


def _one_of_each(rng: np.random.Generator, rows: Codes, groups: Codes, wanted: Codes) -> Codes:
    """A random row of each wanted group, in their order: a second one would add little."""
    shuffled = rng.permutation(rows)
    first = {group: row for row, group in zip(shuffled, groups[shuffled], strict=True)}
    return np.array([first[group] for group in wanted], dtype=np.intp)


def _point(size: int, values: Sequence[float]) -> LearningPoint:
    from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import

    array: Floats = np.array(values)
    t = float(stdtrit(len(values) - 1, QUANTILE))
    half = t * float(array.std(ddof=1)) / math.sqrt(len(values))
    mean = float(array.mean())
    return LearningPoint(
        size, mean, max(mean - half, 0.0), min(mean + half, 1.0), tuple(array.tolist())
    )
