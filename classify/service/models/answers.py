"""Classification: what is asked and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from classify.answering.answers import Answer
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


EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "LabelScore": _SCORE,
    "Evidence": _NEIGHBOUR,
    "NoveltyScore": {"score": 0.71, "unusual": False},
    "Part": {"mode": "linear", "scores": [_SCORE]},
    "Answer": _ANSWER,
}
"""Of the records of an answer, by their names in the document."""


class ResultModel(Model):
    """One query: its answer, or why there is none."""

    model_config = example(_RESULT)

    query: str
    """The file name as uploaded."""
    answer: Answer | None
    error: Problem | None
    thumbnail: str | None
    """JPEG in base64, at most 128 pixels on its longest side; null where it was not asked for."""


class ClassifyResponse(Model):
    """One result per image, in the order of the images."""

    model_config = example({"results": [_RESULT]})

    results: list[ResultModel]
