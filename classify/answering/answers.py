"""What a query gets: a label, its score, the runners-up and the evidence.

One record, whoever passes it on: the classifier returns an `Answer`, `classify query --json`
prints its fields, the service sends them, and a client of the service reads them back
(`answer_from`). A field is described here once, for readers of the code and of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from classify.answering.modes import MetricName, Mode

if TYPE_CHECKING:
    from pydantic import TypeAdapter

State = Literal["answered", "unsure", "unknown"]
"""Answered: the label is named. Unsure: it is named with a "perhaps", because its calibrated score
is low. Unknown: no label is named, because the query is like nothing in the gallery. Where nothing
was calibrated every label is answered: there is no telling."""

_DESCRIBED: Final = {"use_attribute_docstrings": True}
"""For pydantic, which makes the API's document of these records: fields with their docstrings."""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label and its score in [0, 1]."""

    __pydantic_config__ = _DESCRIBED

    label: str
    score: float
    """A probability where the answer is calibrated, a share of the vote elsewhere."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A reference that voted."""

    __pydantic_config__ = _DESCRIBED

    id: str
    label: str
    """The one that it voted for."""
    similarity: float
    """Cosine in [-1, 1]."""
    learned_similarity: float | None
    """Cosine in the whitened space, where the learned metric ranked it."""
    weight: float
    """Its part of the vote; all parts sum to 1. Below 0: it spoke against its class (kriging)."""
    source: str
    group: str | None
    meta: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """What one mode said, where several were asked."""

    __pydantic_config__ = _DESCRIBED

    mode: Mode
    scores: tuple[LabelScore, ...]
    """Best first."""

    @property
    def label(self) -> str | None:
        """The label that this mode alone would have answered."""
        return self.scores[0].label if self.scores else None


@dataclass(frozen=True, slots=True)
class NoveltyScore:
    """How strange a query is."""

    __pydantic_config__ = _DESCRIBED

    score: float
    """Higher is stranger; comparable within one head only."""
    stranger_than: float
    """Share of the gallery's own references, in [0, 1), that are known to be less strange: each
    was scored without itself. N of them support no more than N / (N + 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one query, with its evidence."""

    __pydantic_config__ = _DESCRIBED

    mode: Mode
    state: State
    """Whether the label is answered, perhaps right ("unsure"), or not given ("unknown")."""
    label: str | None
    """The answer, also where it is unsure; null where it is unknown."""
    score: float | None
    """Of the most probable label; null where nothing can be answered."""
    calibrated: bool
    """Whether scores are probabilities; shares of the vote elsewhere."""
    why: str | None
    """Why it is unsure or unknown; null where it is answered."""
    runners_up: tuple[LabelScore, ...]
    """The labels that were not answered, best first; all of them where the answer is unknown."""
    label_set: tuple[str, ...] | None
    """Labels that hold the true one as often as was asked; null where that was not asked, or the
    answer is unknown: no label is meant then."""
    novelty: NoveltyScore | None
    """How strange the query is; null where no head has learned what is usual."""
    parts: tuple[Part, ...]
    """What each mode said; empty where only one was asked."""
    disagrees: bool
    """Whether the parts would have answered different labels."""
    neighbours: tuple[Evidence, ...]
    """Those that voted, nearest first; their thumbnails are at `/v1/references/{id}/thumbnail`."""
    class_neighbours: tuple[Evidence, ...]
    """The nearest references of the most probable label where none of `neighbours` carries it,
    with a weight of 0; empty elsewhere."""
    voted: int
    """How many neighbours voted, named above or not."""
    metric: MetricName | None
    """In which space the neighbours are near; null where none voted."""
    head: str | None
    """Version of the head that took part."""
    known_as: str | None
    """The label under which this very picture (the same bytes) is in the gallery."""
    notices: tuple[str, ...]
    """What a person should know before trusting this and the other answers of the run."""

    @property
    def scores(self) -> tuple[LabelScore, ...]:
        """Best first, at most as many as were asked for."""
        if self.label is None or self.score is None:
            return self.runners_up
        return (LabelScore(self.label, self.score), *self.runners_up)

    @property
    def best(self) -> str | None:
        """The most probable label, also where the answer is unknown."""
        return self.scores[0].label if self.scores else None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One line of output: the query, and either its answer or why there is none."""

    query: str
    """The path as found, or `-` for standard input."""
    answer: Answer | None = None
    problem: str | None = None
    thumbnail: bytes | None = None
    """A small JPEG of the query, where that was asked for; not part of the JSON form."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form: the answer's fields beside `query` and `error`."""
        fields = asdict(self.answer) if self.answer else {}
        return {"query": self.query, "error": self.problem, **fields}


def answer_from(data: Mapping[str, Any]) -> Answer:
    """An answer that came as JSON; fields that are not known here are passed over.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return _answers().validate_python(data)


@cache
def _answers() -> TypeAdapter[Answer]:
    from pydantic import TypeAdapter  # when an answer is read: who only gives some needs it not

    return TypeAdapter(Answer)
