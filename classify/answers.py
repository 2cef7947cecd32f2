"""What a query gets: a label, its score, the runners-up and the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from classify.modes import MetricName, Mode
from holotype.references import Reference


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label of an answer."""

    label: str
    score: float
    """In [0, 1]: share of the vote, or probability."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A neighbour that voted."""

    reference: Reference
    similarity: float
    """Cosine in [-1, 1]."""
    weight: float
    """Its part of the vote, in [0, 1]."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one query."""

    mode: Mode
    scores: tuple[LabelScore, ...]
    """Best first, at most as many as were asked for."""
    neighbours: tuple[Evidence, ...] = ()
    """Those that voted, nearest first; empty in linear mode."""
    metric: MetricName | None = None
    """In which space the neighbours are near; None where none voted."""
    head: str | None = None
    """Version of the head that answered."""
    known_as: str | None = None
    """The label under which this very picture (the same bytes) is in the gallery."""
    notices: tuple[str, ...] = ()
    """What a person should know before trusting this and the other answers of the run."""

    @property
    def label(self) -> str | None:
        """The best label; None where nothing can be answered."""
        return self.scores[0].label if self.scores else None

    @property
    def score(self) -> float:
        """The best label's score; 0 where nothing can be answered."""
        return self.scores[0].score if self.scores else 0.0

    @property
    def runners_up(self) -> tuple[LabelScore, ...]:
        """The labels that came next."""
        return self.scores[1:]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "mode": self.mode.value,
            "label": self.label,
            "score": self.score,
            "runners_up": [{"label": s.label, "score": s.score} for s in self.runners_up],
            "neighbours": [neighbour.to_dict() for neighbour in self.neighbours],
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

    def to_dict(self) -> dict[str, Any]:
        """JSON form: the answer's fields beside `query` and `error`."""
        fields = self.answer.to_dict() if self.answer else {}
        return {"query": self.query, "error": self.problem, **fields}
