"""What a caller can ask of a classification, written once.

The command lines (`classify.flags`), the form of the HTTP API (`classify.service.models.answers`)
and the client that fills it in (`classify.remote`) are made of the fields of `QueryOptions`: their
types, defaults, bounds and descriptions. Imports nothing heavy: `--help` reads it.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from classify.answering.modes import MetricName, Mode, Vote
from holotype.errors import UsageError

if TYPE_CHECKING:
    from holotype.references import Where
    from holotype.votes import Voting

DEFAULT_K = 20
"""Neighbours that vote by plain cosine. Meta's protocol tries 10, 20, 100 and 200."""

DEFAULT_RERANK = 100  # `holotype.votes.BY_METRIC` has it, too, but brings numpy
"""Nearest by cosine that the learned metric ranks again; all of them vote by kriging."""

DEFAULT_EVIDENCE = 20
"""Neighbours that an answer names."""

UNKNOWN_AT: Final = 0.99
"""Share of the gallery's own references that an unknown query is stranger than. It costs 1 of 100
queries of known classes; `docs/LAB.md` has what it tells of strangers."""

MOST_BY_HTTP: Final = 1000
"""Neighbours or labels that one request may ask for: each is a row of the answer."""


class Bounds(NamedTuple):
    """Which numbers an option takes."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    by_http: float | None = None
    """At most this, where a service is asked."""

    def hold(self, value: float) -> bool:
        """Whether a value lies within them; what is no number does not."""
        return (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )


_ONE_OR_MORE = Bounds(ge=1, by_http=MOST_BY_HTTP)


class Option(NamedTuple):
    """A field of `QueryOptions`, as it is asked for."""

    name: str
    type: Any
    """A filter is a list of expressions (`Where.parse`)."""
    default: Any
    help: str
    flags: tuple[str, ...]
    """On a command line."""
    voting: bool
    """Whether it is about how neighbours vote: what an evaluation takes, too."""
    bounds: Bounds
    otherwise: str
    """What is said of a value beyond the bounds."""

    def complaint(self, value: object, *, by_http: bool = False) -> str | None:
        """What is wrong with a value; None where nothing is."""
        if not isinstance(value, int | float):
            return None
        said, most = f"{self.flags[0].lstrip('-')} = {value}", self.bounds.by_http
        if not self.bounds.hold(value):
            return f"{said}: {self.otherwise}"
        if by_http and most is not None and value > most:
            return f"{said}: a service is asked for {most:g} at most"
        return None


def _asked(
    help_text: str,
    bounds: Bounds | None = None,
    otherwise: str = "",
    *,
    flags: tuple[str, ...] = (),
    voting: bool = False,
) -> Mapping[str, Any]:
    return {"option": (help_text, flags, voting, bounds or Bounds(), otherwise)}


def _everything() -> Where:
    from holotype.references import EVERYTHING  # brings numpy

    return EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """Options of one classification; the defaults are those of the command.

    Raises:
        UsageError: a value lies beyond its bounds.
    """

    mode: Mode = field(
        default=Mode.KNN,
        metadata=_asked("Who answers: the nearest references, the active head, or both."),
    )
    where: Where = field(
        default_factory=_everything,
        metadata=_asked("key=value or key!=value; repeatable. Filters the references."),
    )
    top: int = field(
        default=5,
        metadata=_asked("Labels per answer.", _ONE_OR_MORE, "an answer has at least one label"),
    )
    evidence: int = field(
        default=DEFAULT_EVIDENCE,
        metadata=_asked(
            "Neighbours named in an answer, at most.",
            Bounds(ge=0, by_http=MOST_BY_HTTP),
            "it cannot be negative",
        ),
    )
    abstain_at: float | None = field(
        default=None,
        metadata=_asked(
            'Answer "unsure" where fewer than this share would be right (default: where the '
            "probability is below 0.5).",
            Bounds(gt=0, lt=1),
            "a share of right answers lies between 0 and 1",
        ),
    )
    unknown_at: float = field(
        default=UNKNOWN_AT,
        metadata=_asked(
            'Answer "unknown" where the query is stranger than this share of the references; '
            "1: never.",
            Bounds(ge=0.5, le=1),
            "it lies between 0.5 and 1",
        ),
    )
    coverage: float | None = field(
        default=None,
        metadata=_asked(
            "Also the set of labels that holds the true one this share of the time.",
            Bounds(ge=0.5, lt=1),
            "label sets cover from 0.5 up to 1 of the queries",
            flags=("--set",),
        ),
    )
    exclude_self: bool = field(
        default=False, metadata=_asked("Leave out a reference that is the very query.")
    )
    k: int | None = field(
        default=None,
        metadata=_asked(
            "Neighbours that vote (default: 20 by cosine, all ranked again by kriging).",
            _ONE_OR_MORE,
            "at least one neighbour has to vote",
            flags=("--k", "-k"),
            voting=True,
        ),
    )
    metric: MetricName | None = field(
        default=None,
        metadata=_asked(
            "In which space neighbours are near (default: learned, if trained).", voting=True
        ),
    )
    rerank: int = field(
        default=DEFAULT_RERANK,
        metadata=_asked(
            "Nearest by cosine that the learned metric ranks again.",
            _ONE_OR_MORE,
            "at least one has to be ranked",
            voting=True,
        ),
    )
    vote: Vote | None = field(
        default=None,
        metadata=_asked(
            "How neighbours vote (default: kriging by the learned metric, weighted by cosine).",
            voting=True,
        ),
    )
    temperature: float | None = field(  # 0.07 is best by either metric on the development sets
        default=None,
        metadata=_asked(
            "Of the weighted vote; smaller trusts the nearest more (default: 0.07).",
            Bounds(gt=0, by_http=100),
            "it has to be above zero",
            voting=True,
        ),
    )
    class_cap: int | None = field(
        default=None,
        metadata=_asked(
            "At most this many neighbours of one class vote.",
            _ONE_OR_MORE,
            "at least one neighbour of a class has to vote",
            voting=True,
        ),
    )
    balance: float = field(  # shifts probabilities where they are calibrated, votes elsewhere
        default=0.0,
        metadata=_asked(
            "0: queries come from classes as often as references do; 1: from all equally.",
            Bounds(ge=0, le=1),
            "it lies between 0 and 1",
            voting=True,
        ),
    )

    def __post_init__(self) -> None:
        for option in query_options():
            complaint = option.complaint(getattr(self, option.name))
            if complaint:
                raise UsageError(complaint)

    def voting(self, metric: MetricName, *, calibrated: Voting | None = None) -> Voting:
        """How neighbours by this metric are found and vote.

        Args:
            metric: what they are ranked by.
            calibrated: how those of the active head voted when it was calibrated: by its metric
                they vote like that where nothing else is asked for.
        """
        from holotype.votes import BY_METRIC, KNN_TEMPERATURE, Voting, Weighting

        weighting = {
            Vote.MAJORITY: Weighting.EQUAL,
            Vote.WEIGHTED: Weighting.SOFTMAX,
            Vote.KRIGING: Weighting.KRIGING,
        }
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
                weighting=weighting[vote],
                temperature=self.temperature or KNN_TEMPERATURE,
                class_cap=self.class_cap,
            ),
        )

    @property
    def _asks_for_votes(self) -> bool:
        asked = (self.k, self.vote, self.temperature, self.class_cap)
        return self.rerank != DEFAULT_RERANK or any(one is not None for one in asked)


class GivenOptions(TypedDict, total=False):
    """The fields of `QueryOptions` as a program gives them, all of them optional."""

    mode: Mode | str
    where: Where | str | Sequence[str]
    top: int
    evidence: int
    abstain_at: float
    unknown_at: float
    coverage: float
    exclude_self: bool
    k: int
    metric: MetricName | str
    rerank: int
    vote: Vote | str
    temperature: float
    class_cap: int
    balance: float


def options_of(given: GivenOptions) -> QueryOptions:
    """Options whose choices may be given as words.

    Raises:
        UsageError: a value lies beyond its bounds, or is no choice.
    """
    from holotype.settings import one_of  # brings pydantic

    kinds = {"mode": Mode, "metric": MetricName, "vote": Vote}
    chosen: dict[str, Any] = {
        name: one_of(kinds[name], str(value)) if name in kinds else value
        for name, value in given.items()
    }
    return QueryOptions(**chosen)


@cache
def query_options() -> tuple[Option, ...]:
    """The fields of `QueryOptions`, as they are asked for, in their order."""
    types = typing.get_type_hints(QueryOptions, localns={"Where": list[str]})
    return tuple(_option_of(one, types[one.name]) for one in fields(QueryOptions))


def _option_of(one: Field[Any], kind: Any) -> Option:
    help_text, flags, voting, bounds, otherwise = one.metadata["option"]
    flags = flags or (f"--{one.name.replace('_', '-')}",)
    default = [] if kind == list[str] else one.default
    return Option(one.name, kind, default, help_text, flags, voting, bounds, otherwise)
