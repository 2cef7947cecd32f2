"""Classification: what is asked and what is answered."""

from __future__ import annotations

from typing import Annotated

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from classify.modes import MetricName, Mode, Vote
from classify.options import DEFAULT_K, DEFAULT_RERANK, QueryOptions
from classify.service.models.common import EXAMPLE_ID, Model, Problem, example
from holotype.references import Where

MAX_K = 1000
"""Neighbours that one request may ask for: each is a row of the answer."""

_SCORE = {"label": "wasp", "score": 0.93}
_NEIGHBOUR = {
    "id": EXAMPLE_ID,
    "label": "wasp",
    "similarity": 0.87,
    "learned_similarity": None,
    "weight": 0.41,
    "source": "drawer-7/wasp/0031.jpg",
    "group": "specimen-31",
    "meta": {"site": "A"},
}
_ANSWER = {
    "mode": "knn",
    "metric": "cosine",
    "label": "wasp",
    "score": 0.93,
    "runners_up": [{"label": "hoverfly", "score": 0.07}],
    "neighbours": [_NEIGHBOUR],
    "head": None,
    "known_as": None,
    "notices": [],
}


class ClassifyForm(BaseModel):
    """Images, and how to classify them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    images: Annotated[list[UploadFile], Field(min_length=1)]
    """One or many."""
    mode: Mode = Mode.KNN
    """`knn`: the nearest references vote. `linear`: the active head answers."""
    k: Annotated[int, Field(ge=1, le=MAX_K)] = DEFAULT_K
    """Neighbours that vote."""
    metric: MetricName | None = None
    """In which space neighbours are near; left out: the best that there is."""
    rerank: Annotated[int, Field(ge=1, le=MAX_K)] = DEFAULT_RERANK
    """How many nearest by cosine the learned metric ranks again."""
    vote: Vote = Vote.WEIGHTED
    temperature: Annotated[float, Field(gt=0, le=100)] | None = None
    """Of the weighted vote; smaller trusts the nearest more."""
    class_cap: Annotated[int, Field(ge=1, le=MAX_K)] | None = None
    """At most this many neighbours of one class vote."""
    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """0: classes count by their size; 1: as if all were of one size."""
    where: list[str] = Field(default_factory=list)
    """`key=value` or `key!=value`, repeatable: filters the references."""
    top: Annotated[int, Field(ge=1, le=MAX_K)] = 5
    """Labels per answer."""
    exclude_self: bool = False
    """Leave out a reference that has the very bytes of the query."""

    def options(self) -> QueryOptions:
        """The same choices as the classifier takes them.

        Raises:
            UsageError: a filter cannot be read.
        """
        return QueryOptions(
            mode=self.mode,
            k=self.k,
            metric=self.metric,
            rerank=self.rerank,
            vote=self.vote,
            temperature=self.temperature,
            class_cap=self.class_cap,
            balance=self.balance,
            where=Where.parse(self.where),
            top=self.top,
            exclude_self=self.exclude_self,
        )


class LabelScore(Model):
    """A label and its score in [0, 1]."""

    model_config = example(_SCORE)

    label: str
    score: float


class NeighbourModel(Model):
    """A reference that voted."""

    model_config = example(_NEIGHBOUR)

    id: str
    label: str
    similarity: float
    """Cosine in [-1, 1]."""
    learned_similarity: float | None
    """Cosine in the whitened space, where it was measured."""
    weight: float
    """Its part of the vote, in [0, 1]."""
    source: str
    group: str | None
    meta: dict[str, str]


class AnswerModel(Model):
    """The answer to one query, with its evidence."""

    model_config = example(_ANSWER)

    mode: Mode
    metric: MetricName | None
    """In which space the neighbours were near; null in linear mode."""
    label: str | None
    """The best label; null where nothing can be answered."""
    score: float
    runners_up: list[LabelScore]
    neighbours: list[NeighbourModel]
    """Those that voted, nearest first; their thumbnails are at `/v1/references/{id}/thumbnail`."""
    head: str | None
    """Version of the head that answered."""
    known_as: str | None
    """The label under which this very picture is in the gallery."""
    notices: list[str]


class ResultModel(Model):
    """One query: its answer, or why there is none."""

    model_config = example({"query": "0031.jpg", "answer": _ANSWER, "error": None})

    query: str
    """The file name as uploaded."""
    answer: AnswerModel | None
    error: Problem | None


class ClassifyResponse(Model):
    """One result per image, in the order of the images."""

    model_config = example({"results": [{"query": "0031.jpg", "answer": _ANSWER, "error": None}]})

    results: list[ResultModel]
