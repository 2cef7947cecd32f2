"""The outcome of an evaluation, before any figure is taken from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from classify.answering.modes import Mode
from classify.evaluation.learning import LearningCurve
from classify.evaluation.predictions import ABSENT, Flags, Predictions

SHOWN_MISTAKES = 12
"""Mistakes kept per mode, the most confident ones."""

SHOWN_NEIGHBOURS = 5
"""Neighbours kept as evidence of each."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A neighbour in an exhibit."""

    id: str
    label: str
    similarity: float
    """Plain cosine."""
    source: str
    learned: float | None = None
    """Cosine in the whitened space, where it was ranked there."""

    @property
    def closeness(self) -> float:
        """What it was ranked by."""
        return self.similarity if self.learned is None else self.learned


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A mistake with what led to it."""

    name: str
    truth: str
    answered: str
    score: float
    neighbours: tuple[Shown, ...]
    thumbnail: bytes | None = None
    """JPEG of the query."""
    id: str | None = None
    """Of the query, where it is a reference itself."""


@dataclass(frozen=True, slots=True)
class UnreadableQuery:
    """An image that was to be classified and could not be."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What was evaluated."""

    gallery: str
    fingerprint: str
    """Its id."""
    backbone: str
    references: int
    classes: int
    head: str | None
    """Version of the active head, where one took part."""
    source: str
    """Where the queries came from, for people."""
    method: str
    """How each mode was asked, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Predictions of every mode for the same Q queries."""

    subject: Subject
    names: Sequence[str]
    """Q: the query's path, or the source of the reference."""
    near_duplicate: Flags
    """(Q,) whether the gallery holds the same picture or nearly the same one."""
    predictions: Mapping[Mode, Predictions]
    mistakes: Mapping[Mode, Sequence[Exhibit]] = field(default_factory=dict)
    absent: Mapping[str, int] = field(default_factory=dict)
    """Queries whose class is not in the gallery, per class."""
    unreadable: Sequence[UnreadableQuery] = ()
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    """JPEG of each neighbour that is shown, by reference id."""
    learning: LearningCurve | None = None
    notices: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The options that matter, as in JSON."""

    @property
    def remarks(self) -> list[str]:
        """The notices, and where a figure is absent, why."""
        known = np.logical_or.reduce([p.truth != ABSENT for p in self.predictions.values()])
        remarks = list(self.notices)
        if known.any() and self.near_duplicate[known].all():
            remarks.append(
                "every query has the same picture, or nearly the same, in the gallery: there is "
                "nothing to measure an accuracy without near-duplicates on"
            )
        return remarks
