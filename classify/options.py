"""What a caller can ask of a classification."""

from __future__ import annotations

from dataclasses import dataclass

from classify.modes import MetricName, Mode, Vote
from holotype.errors import UsageError
from holotype.references import EVERYTHING, Where
from holotype.votes import KNN_TEMPERATURE, VoteRule

DEFAULT_K = 20
"""Meta's protocol tries 10, 20, 100 and 200; 20 is its best for most sets."""

DEFAULT_RERANK = 100
"""Nearest by cosine that are ranked again by the learned metric: more change next to nothing."""

LEARNED_TEMPERATURE = 0.1
"""Of votes by the learned metric, where similarities spread wider than plain cosines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """Options of one classification; the defaults are those of the command."""

    mode: Mode = Mode.KNN
    k: int = DEFAULT_K
    """Neighbours that vote."""
    metric: MetricName | None = None
    """None: the learned one where the active head has one, plain cosine elsewhere."""
    rerank: int = DEFAULT_RERANK
    """How many nearest by cosine the learned metric ranks again; at least k are."""
    vote: Vote = Vote.WEIGHTED
    temperature: float | None = None
    """Of the weighted vote; smaller trusts the nearest more. None: the metric's default."""
    class_cap: int | None = None
    """At most this many neighbours of one class vote."""
    balance: float = 0.0
    """0: classes count by their size, as they come; 1: as if all were of one size."""
    where: Where = EVERYTHING
    """Only these references are neighbours, and only their labels are answers."""
    top: int = 5
    """Labels per answer, the best included."""
    exclude_self: bool = False
    """Leave out the reference that has the very bytes of the query."""

    def __post_init__(self) -> None:
        _require(self.k >= 1, f"k = {self.k}: at least one neighbour has to vote")
        _require(self.rerank >= 1, f"rerank = {self.rerank}: at least one has to be ranked")
        _require(self.top >= 1, f"top = {self.top}: an answer has at least one label")
        _require(
            self.temperature is None or self.temperature > 0,
            f"temperature = {self.temperature}: it has to be above zero",
        )
        _require(
            self.class_cap is None or self.class_cap >= 1,
            f"class cap = {self.class_cap}: at least one neighbour of a class has to vote",
        )
        _require(0 <= self.balance <= 1, f"balance = {self.balance}: it lies between 0 and 1")

    def vote_rule(self, metric: MetricName) -> VoteRule:
        """How neighbours by this metric vote."""
        default = LEARNED_TEMPERATURE if metric is MetricName.LEARNED else KNN_TEMPERATURE
        return VoteRule(
            temperature=None if self.vote is Vote.MAJORITY else self.temperature or default,
            class_cap=self.class_cap,
            balance=self.balance,
        )


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise UsageError(complaint)
