"""Classification: what is asked and what is answered."""

from __future__ import annotations

from typing import Annotated

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from classify.answering.modes import MetricName, Mode, Vote
from classify.answering.options import DEFAULT_EVIDENCE, DEFAULT_RERANK, QueryOptions
from classify.service.models.common import EXAMPLE_ID, Model, Problem, example
from holotype.references import Where

MAX_K = 1000
"""Neighbours that one request may ask for: each is a row of the answer."""

_SCORE = {"label": "wasp", "score": 0.93}
_NEIGHBOUR = {
    "id": EXAMPLE_ID,
    "label": "wasp",
    "similarity": 0.87,
    "learned_similarity": 0.42,
    "weight": 0.11,
    "source": "drawer-7/wasp/0031.jpg",
    "group": "specimen-31",
    "meta": {"site": "A"},
}
_ANSWER = {
    "mode": "knn",
    "metric": "learned",
    "label": "wasp",
    "score": 0.93,
    "calibrated": True,
    "abstained": None,
    "label_set": None,
    "novelty": {"score": 0.71, "unusual": False},
    "parts": [],
    "disagrees": False,
    "runners_up": [{"label": "hoverfly", "score": 0.07}],
    "neighbours": [_NEIGHBOUR],
    "voted": 100,
    "head": "20260301-020000-3f2a",
    "known_as": None,
    "notices": [],
}
_RESULT = {"query": "0031.jpg", "answer": _ANSWER, "error": None, "thumbnail": None}


class ClassifyForm(BaseModel):
    """Images, and how to classify them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    images: Annotated[list[UploadFile], Field(min_length=1)]
    """One or many."""
    mode: Mode = Mode.KNN
    """`knn`: the nearest references vote. `linear`: the active head answers. `auto`: both."""
    k: Annotated[int, Field(ge=1, le=MAX_K)] | None = None
    """Neighbours that vote; left out: what was measured to be best."""
    metric: MetricName | None = None
    """In which space neighbours are near; left out: the best that there is."""
    rerank: Annotated[int, Field(ge=1, le=MAX_K)] = DEFAULT_RERANK
    """How many nearest by cosine the learned metric ranks again."""
    vote: Vote | None = None
    """Left out: kriging by the learned metric, weighted by plain cosine."""
    temperature: Annotated[float, Field(gt=0, le=100)] | None = None
    """Of the weighted vote; smaller trusts the nearest more."""
    class_cap: Annotated[int, Field(ge=1, le=MAX_K)] | None = None
    """At most this many neighbours of one class vote."""
    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """0: queries come from classes as often as references do; 1: from all equally often."""
    where: list[str] = Field(default_factory=list)
    """`key=value` or `key!=value`, repeatable: filters the references."""
    top: Annotated[int, Field(ge=1, le=MAX_K)] = 5
    """Labels per answer."""
    evidence: Annotated[int, Field(ge=0, le=MAX_K)] = DEFAULT_EVIDENCE
    """Neighbours named in an answer, at most."""
    abstain_at: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Answer "unknown" where fewer than this share of such answers would be right."""
    coverage: Annotated[float, Field(ge=0.5, lt=1)] | None = None
    """Also give a set of labels that holds the true one for this share of queries."""
    exclude_self: bool = False
    """Leave out a reference that has the very bytes of the query."""
    thumbnails: bool = False
    """Also return a small JPEG of each image, for browsers that cannot show its format."""

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
            evidence=self.evidence,
            abstain_at=self.abstain_at,
            coverage=self.coverage,
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
    """Its part of the vote; all parts sum to 1. Below 0: it spoke against its class."""
    source: str
    group: str | None
    meta: dict[str, str]


class NoveltyModel(Model):
    """How strange a query is."""

    model_config = example({"score": 0.71, "unusual": False})

    score: float
    """Higher is stranger; comparable within one head only."""
    unusual: bool
    """Stranger than 95 of 100 queries of known classes."""


class PartModel(Model):
    """What one mode said."""

    model_config = example({"mode": "linear", "scores": [_SCORE]})

    mode: Mode
    scores: list[LabelScore]
    """Best first."""


class AnswerModel(Model):
    """The answer to one query, with its evidence."""

    model_config = example(_ANSWER)

    mode: Mode
    metric: MetricName | None
    """In which space the neighbours were near; null in linear mode."""
    label: str | None
    """The answer; null where it is "unknown" or nothing can be answered."""
    score: float | None
    """Of the most probable label; null where nothing can be answered."""
    calibrated: bool
    """Whether scores are probabilities; shares of the vote elsewhere."""
    abstained: str | None
    """Why the answer is "unknown", where it is."""
    runners_up: list[LabelScore]
    """The labels that were not answered, best first."""
    label_set: list[str] | None
    """Labels that hold the true one as often as was asked."""
    novelty: NoveltyModel | None
    """How strange the query is; null where no head has learned what is usual."""
    parts: list[PartModel]
    """What each mode said, where several were asked."""
    disagrees: bool
    """Whether the parts would have answered different labels."""
    neighbours: list[NeighbourModel]
    """Those that voted, nearest first; their thumbnails are at `/v1/references/{id}/thumbnail`."""
    voted: int
    """How many neighbours voted, named above or not."""
    head: str | None
    """Version of the head that took part."""
    known_as: str | None
    """The label under which this very picture is in the gallery."""
    notices: list[str]


class ResultModel(Model):
    """One query: its answer, or why there is none."""

    model_config = example(_RESULT)

    query: str
    """The file name as uploaded."""
    answer: AnswerModel | None
    error: Problem | None
    thumbnail: str | None
    """JPEG in base64, at most 128 pixels on its longest side; null where it was not asked for."""


class ClassifyResponse(Model):
    """One result per image, in the order of the images."""

    model_config = example({"results": [_RESULT]})

    results: list[ResultModel]
