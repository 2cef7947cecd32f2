"""What a caller can ask of a classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from classify.answering.modes import MetricName, Mode, Vote
from holotype.errors import UsageError
from holotype.references import EVERYTHING, Where
from holotype.votes import BY_METRIC, KNN_TEMPERATURE, Voting, Weighting

DEFAULT_K = 20
"""Neighbours that vote by plain cosine. Meta's protocol tries 10, 20, 100 and 200."""

DEFAULT_RERANK = BY_METRIC.candidates
"""Nearest by cosine that the learned metric ranks again; all of them vote by kriging."""

DEFAULT_EVIDENCE = 20
"""Neighbours that an answer names."""

_WEIGHTINGS: Mapping[Vote, Weighting] = MappingProxyType(
    {
        Vote.MAJORITY: Weighting.EQUAL,
        Vote.WEIGHTED: Weighting.SOFTMAX,
        Vote.KRIGING: Weighting.KRIGING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """Options of one classification; the defaults are those of the command."""

    mode: Mode = Mode.KNN
    k: int | None = None
    """Neighbours that vote. None: 20 by plain cosine, all that were ranked again by kriging."""
    metric: MetricName | None = None
    """None: the learned one where the active head has one, plain cosine elsewhere."""
    rerank: int = DEFAULT_RERANK
    """How many nearest by cosine the learned metric ranks again; at least k are."""
    vote: Vote | None = None
    """None: kriging by the learned metric, weighted by plain cosine."""
    temperature: float | None = None
    """Of the weighted vote; smaller trusts the nearest more. None: 0.07, best by either
    metric in leave-one-out on the development sets."""
    class_cap: int | None = None
    """At most this many neighbours of one class vote."""
    balance: float = 0.0
    """0: queries come from classes as often as references do; 1: from all classes equally
    often. Shifts the probabilities where they are calibrated, the votes elsewhere."""
    where: Where = EVERYTHING
    """Only these references are neighbours, and only their labels are answers."""
    top: int = 5
    """Labels per answer, the best included."""
    evidence: int = DEFAULT_EVIDENCE
    """Neighbours named in an answer, at most."""
    exclude_self: bool = False
    """Leave out the reference that has the very bytes of the query."""
    abstain_at: float | None = None
    """Answer "unknown" where fewer than this share of such answers would be right."""
    coverage: float | None = None
    """Also give a set of labels that holds the true one for this share of queries."""

    def __post_init__(self) -> None:
        _require(self.k is None or self.k >= 1, f"k = {self.k}: at least one neighbour has to vote")
        _require(self.rerank >= 1, f"rerank = {self.rerank}: at least one has to be ranked")
        _require(self.top >= 1, f"top = {self.top}: an answer has at least one label")
        _require(self.evidence >= 0, f"evidence = {self.evidence}: it cannot be negative")
        _require(
            self.temperature is None or self.temperature > 0,
            f"temperature = {self.temperature}: it has to be above zero",
        )
        _require(
            self.class_cap is None or self.class_cap >= 1,
            f"class cap = {self.class_cap}: at least one neighbour of a class has to vote",
        )
        _require(0 <= self.balance <= 1, f"balance = {self.balance}: it lies between 0 and 1")
        _require(
            self.abstain_at is None or 0 < self.abstain_at < 1,
            f"abstain-at = {self.abstain_at}: a share of right answers lies between 0 and 1",
        )
        _require(
            self.coverage is None or 0.5 <= self.coverage < 1,
            f"set = {self.coverage}: label sets cover from 0.5 up to 1 of the queries",
        )

    def voting(self, metric: MetricName, *, calibrated: Voting | None = None) -> Voting:
        """How neighbours by this metric are found and vote.

        Args:
            metric: what they are ranked by.
            calibrated: how those of the active head voted when it was calibrated: by its metric
                they vote like that where nothing else is asked for.
        """
        learned = metric is MetricName.LEARNED
        if learned and calibrated is not None and not self._asks_for_votes:
            return calibrated
        vote = self.vote or (Vote.KRIGING if learned else Vote.WEIGHTED)
        k = self.k or (self.rerank if vote is Vote.KRIGING else DEFAULT_K)
        return Voting(
            candidates=max(k, self.rerank) if learned else k,
            k=k,
            rule=replace(
                BY_METRIC.rule,
                weighting=_WEIGHTINGS[vote],
                temperature=self.temperature or KNN_TEMPERATURE,
                class_cap=self.class_cap,
            ),
        )

    @property
    def _asks_for_votes(self) -> bool:
        asked = (self.k, self.vote, self.temperature, self.class_cap)
        return self.rerank != DEFAULT_RERANK or any(one is not None for one in asked)


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise UsageError(complaint)
