"""What a caller can ask of a classification."""

from __future__ import annotations

from dataclasses import dataclass

from classify.modes import Mode, Vote
from holotype.errors import UsageError
from holotype.references import EVERYTHING, Where
from holotype.votes import KNN_TEMPERATURE

DEFAULT_K = 20
"""Meta's protocol tries 10, 20, 100 and 200; 20 is its best for most sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """Options of one classification; the defaults are those of the command."""

    mode: Mode = Mode.KNN
    k: int = DEFAULT_K
    """Neighbours that vote."""
    vote: Vote = Vote.WEIGHTED
    temperature: float = KNN_TEMPERATURE
    """Of the weighted vote; smaller trusts the nearest more."""
    where: Where = EVERYTHING
    """Only these references are neighbours, and only their labels are answers."""
    top: int = 5
    """Labels per answer, the best included."""
    exclude_self: bool = False
    """Leave out the reference that has the very bytes of the query."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k = {self.k}: at least one neighbour has to vote")
        if self.top < 1:
            raise UsageError(f"top = {self.top}: an answer has at least one label")
        if not self.temperature > 0:
            raise UsageError(f"temperature = {self.temperature:g}: it has to be above zero")
