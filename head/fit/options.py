"""How a training run is made: where it computes, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from head.steps import Steps


def _unwatched() -> None:
    """Nobody ends the run."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Passed down a training run."""

    seed: int = 0
    """Of the folds and of samples: the same references and seed give the same head."""
    device: str = "auto"
    """`auto`, `cuda` or `cpu`, for the logistic regression."""
    in_place: bool = False
    """Vectors beyond half a GiB may be overwritten: two copies of a million would not fit."""
    steps: Steps = field(default_factory=Steps)
    """Told what is done now, and how far it is."""
    on_pass: Callable[[], None] = _unwatched
    """Called at least once per pass over the vectors; what it raises ends the run."""
