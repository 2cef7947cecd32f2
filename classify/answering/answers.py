"""What a query gets: a label, its score, the runners-up and the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from classify.answering.modes import MetricName, Mode
from holotype.references import Reference


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label of an answer."""

    label: str
    score: float
    """In [0, 1]: a probability where the answer is calibrated, a share of the vote elsewhere."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"label": self.label, "score": self.score}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A neighbour that voted."""

    reference: Reference
    similarity: float
    """Cosine in [-1, 1]."""
    weight: float
    """Its part of the vote; all parts sum to 1. Below 0, it spoke against its class (kriging)."""
    learned: float | None = None
    """Cosine in the whitened space, where the learned metric ranked it."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `similarity` is the plain cosine."""
        reference = self.reference
        return {
            "id": reference.id,
            "label": reference.label,
            "similarity": self.similarity,
            "learned_similarity": self.learned,
            "weight": self.weight,
            "source": reference.source,
            "group": reference.group,
            "meta": dict(reference.meta),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """What one mode said, where several were asked."""

    mode: Mode
    scores: tuple[LabelScore, ...]
    """Best first."""

    @property
    def label(self) -> str | None:
        """The label that this mode alone would have answered."""
        return self.scores[0].label if self.scores else None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"mode": self.mode.value, "scores": [s.to_dict() for s in self.scores]}


@dataclass(frozen=True, slots=True)
class Novelty:
    """How strange a query is."""

    score: float
    """Higher is stranger; comparable within one head only."""
    unusual: bool
    """Stranger than 95 of 100 queries of known classes."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"score": self.score, "unusual": self.unusual}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one query."""

    mode: Mode
    scores: tuple[LabelScore, ...]
    """Best first, at most as many as were asked for."""
    calibrated: bool = False
    """Whether scores are probabilities."""
    abstained: str | None = None
    """Why the answer is "unknown", where it is."""
    label_set: tuple[str, ...] | None = None
    """Labels that hold the true one as often as was asked; None where that was not asked."""
    novelty: Novelty | None = None
    """None where no head has learned what is usual."""
    parts: tuple[Part, ...] = ()
    """What each mode said; empty where only one was asked."""
    neighbours: tuple[Evidence, ...] = ()
    """Nearest first, of those that voted; empty in linear mode."""
    voted: int = 0
    """How many neighbours voted, whether named above or not."""
    metric: MetricName | None = None
    """In which space the neighbours are near; None where none voted."""
    head: str | None = None
    """Version of the head that took part."""
    known_as: str | None = None
    """The label under which this very picture (the same bytes) is in the gallery."""
    notices: tuple[str, ...] = ()
    """What a person should know before trusting this and the other answers of the run."""

    @property
    def label(self) -> str | None:
        """The answer; None where it is "unknown" or nothing can be answered."""
        return None if self.abstained else self.best

    @property
    def best(self) -> str | None:
        """The most probable label, also where the answer is "unknown"."""
        return self.scores[0].label if self.scores else None

    @property
    def score(self) -> float | None:
        """Of the most probable label; None where nothing can be answered."""
        return self.scores[0].score if self.scores else None

    @property
    def runners_up(self) -> tuple[LabelScore, ...]:
        """The labels that were not answered, best first."""
        return self.scores if self.abstained else self.scores[1:]

    @property
    def disagrees(self) -> bool:
        """Whether the parts would have answered different labels."""
        return len({part.label for part in self.parts}) > 1

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "mode": self.mode.value,
            "label": self.label,
            "score": self.score,
            "calibrated": self.calibrated,
            "abstained": self.abstained,
            "runners_up": [s.to_dict() for s in self.runners_up],
            "label_set": None if self.label_set is None else list(self.label_set),
            "novelty": self.novelty.to_dict() if self.novelty else None,
            "parts": [part.to_dict() for part in self.parts],
            "disagrees": self.disagrees,
            "neighbours": [neighbour.to_dict() for neighbour in self.neighbours],
            "voted": self.voted,
            "metric": self.metric.value if self.metric else None,
            "head": self.head,
            "known_as": self.known_as,
            "notices": list(self.notices),
        }


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
        fields = self.answer.to_dict() if self.answer else {}
        return {"query": self.query, "error": self.problem, **fields}
