"""Which pictures to label next, in which order, and why.

A small gallery cannot know what it does not know: pictures are chosen that stand for many others
which no reference is near (`curate.coverage`). The better it answers, the more a picture is worth
whose two most probable classes are close: worth is `1 - a + a * u / mean(u)`, where a is the
accuracy of the gallery's own answers out of fold (`curate.opinion`) and u is one less the margin
between the two probabilities. So one rule goes from a first picture to the last doubts, without a
setting. `docs/LAB.md` has it against random, TypiClust, margin, k-centre and BADGE.

Shapes: U pictures, L of them looked at, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from curate.coverage import COVERED, Chosen, Coverage
from curate.expected_change import ExpectedChange, expected_change
from curate.opinion import Opinion
from curate.view import GalleryView
from holotype.knn import nearest
from holotype.references import Codes, Floats, Vectors

BATCH: Final = 50

CLOSE: Final = 0.5
"""A margin below this is named as the reason: the second class is more probable than a quarter."""


RARITY: Final = 1.0
"""Power of the references of a class that a picture of it is worth less by (`docs/LAB.md`)."""

TINY: Final = 1e-12


class Why(StrEnum):
    """What makes a picture worth a label."""

    NEW = "new"
    """No reference is near it."""
    BETWEEN = "between"
    """Two classes are about as probable."""
    TYPICAL = "typical"
    """It stands for others that references are near, too."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A picture to label."""

    row: int
    """Of the pictures that were given."""
    why: Why
    reason: str
    """For people."""
    covers: int
    """Pictures like which none was in the gallery, nor before it in the batch."""
    label: str | None = None
    """The most probable one, as a suggestion; None of an empty gallery."""
    probability: float | None = None
    """Of that label; None where nobody could say."""
    second: str | None = None
    second_probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Labelling:
    """The batch, and what it is expected to be worth."""

    picks: list[Pick]
    """Best first; fewer than were asked for where the rest are near-duplicates of them."""
    change: ExpectedChange | None
    """None where the gallery cannot say: see `expected_change`."""
    trust: float
    """What doubt counts against coverage, in [0, 1]."""


def label_next(
    vectors: Vectors, view: GalleryView, *, batch: int = BATCH, seed: int = 0
) -> Labelling:
    """Choose pictures to label.

    Args:
        vectors: (U, D) unit rows of pictures that are no references.
        view: the gallery; may be empty.
        batch: how many, at most.
        seed: of samples, where there are many pictures.
    """
    if not len(vectors):
        return Labelling([], None, 0.0)
    training = view.training
    opinion = Opinion.of(training)
    coverage = Coverage(vectors, training.vectors, seed=seed)
    trust = 0.0 if opinion is None else opinion.accuracy
    looked = vectors[coverage.looked_at]
    worth = np.ones(len(looked))
    if opinion is not None:
        worth = _worth(opinion.probabilities(looked), training.counts, trust)
    chosen = list(coverage.choose(worth, batch))
    picks = _explained(chosen, vectors, coverage, view, opinion)
    change = None
    if opinion is not None:
        change = expected_change(
            looked, training, opinion, pictures=len(vectors), labels=len(picks), seed=seed
        )
    return Labelling(picks, change, trust)


def _worth(probabilities: Floats, counts: Codes, trust: float) -> Floats:
    """(L,) what a picture is worth, mean 1; `counts` (C,) are references a class."""
    doubt = 1 - _margins(probabilities)
    rarity = probabilities @ (1 / np.maximum(counts, 1) ** RARITY)
    worth: Floats = rarity * (1 - trust + trust * doubt / max(float(doubt.mean()), TINY))
    return worth / max(float(worth.mean()), TINY)


def _margins(probabilities: Floats) -> Floats:
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
    margins: Floats = first - second
    return margins


def _explained(
    chosen: list[Chosen],
    vectors: Vectors,
    coverage: Coverage,
    view: GalleryView,
    opinion: Opinion | None,
) -> list[Pick]:
    rows = [one.row for one in chosen]
    near = coverage.by_references[rows] >= COVERED
    if opinion is None:
        labels = _labels_of_nearest(vectors[rows], view)
        return [
            Pick(one.row, *_stands_for(one, near=bool(is_near), empty=not len(view)), label=label)
            for one, is_near, label in zip(chosen, near, labels, strict=True)
        ]
    probabilities = opinion.probabilities(vectors[rows])
    return [
        _with_classes(one, bool(is_near), opinion.labels, p)
        for one, is_near, p in zip(chosen, near, probabilities, strict=True)
    ]


def _with_classes(chosen: Chosen, near: bool, labels: tuple[str, ...], p: Floats) -> Pick:
    first, second = np.argsort(-p, kind="stable")[:2].tolist()
    why, reason, covers = _stands_for(chosen, near=near, empty=False)
    if p[first] - p[second] < CLOSE:
        between = f"between {labels[first]} and {labels[second]}: {p[first]:.2f} / {p[second]:.2f}"
        why = Why.BETWEEN if near else why
        reason = between if near else f"{reason}; {between}"
    return Pick(
        chosen.row,
        why,
        reason,
        covers,
        label=labels[first],
        probability=round(float(p[first]), 4),
        second=labels[second],
        second_probability=round(float(p[second]), 4),
    )


def _stands_for(chosen: Chosen, *, near: bool, empty: bool) -> tuple[Why, str, int]:
    n = chosen.covers
    pictures = "itself alone" if n == 1 else f"{n} pictures"
    if near:
        beside = "" if n == 1 else " beside references"
        return Why.TYPICAL, f"stands for {pictures}{beside}", n
    return Why.NEW, f"covers {pictures}" + ("" if empty else " like none in the gallery"), n


def _labels_of_nearest(vectors: Vectors, view: GalleryView) -> Iterator[str | None]:
    if not len(view):
        return iter([None] * len(vectors))
    found = nearest(vectors, view.training.vectors, r=1).rows[:, 0]
    return (view.training.labels[code] for code in view.training.codes[found].tolist())
