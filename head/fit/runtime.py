"""Where a training run computes, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _silent(_: str) -> None:
    """Tell nobody."""


def _unwatched() -> None:
    """Nobody ends the run."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Passed down a training run."""

    device: str = "auto"
    """`auto`, `cuda` or `cpu`, for the logistic regression."""
    say: Callable[[str], None] = _silent
    """Told what is done now, one line at a time."""
    on_pass: Callable[[], None] = _unwatched
    """Called at least once per pass over the vectors; what it raises ends the run."""
