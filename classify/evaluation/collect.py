"""Gathers predictions batch by batch, and keeps only the worst mistakes with their evidence."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt

from classify.answering.answers import Answer
from classify.evaluation.evaluation import SHOWN_MISTAKES, SHOWN_NEIGHBOURS, Exhibit, Shown
from classify.evaluation.predictions import Predictions, codes_of
from holotype.references import Codes


@dataclass(frozen=True, slots=True)
class Posed:
    """A query that was read, and the class that it is known to be."""

    name: str
    truth: str
    thumbnail: bytes | None
    evidence: tuple[Shown, ...] = ()


@dataclass(slots=True)
class Collector:
    """One mode's answers."""

    labels: tuple[str, ...]
    """All classes of the gallery, sorted."""
    _scores: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _rankings: list[Codes] = field(default_factory=list)
    _truth: list[str] = field(default_factory=list)
    _worst: list[tuple[float, int, Exhibit]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def add(self, posed: Sequence[Posed], answers: Sequence[Answer]) -> None:
        """Answers to these queries; every label that scored must be among them."""
        code = {label: i for i, label in enumerate(self.labels)}
        for query, answer in zip(posed, answers, strict=True):
            scores = np.zeros(len(self.labels), dtype=np.float32)
            ranked = [s for s in answer.scores if s.label in code]
            for s in ranked:
                scores[code[s.label]] = s.score
            first = [code[s.label] for s in ranked]
            rest = np.setdiff1d(np.arange(len(self.labels)), first)
            self._scores.append(scores)
            self._rankings.append(np.concatenate([np.array(first, dtype=np.intp), rest]))
            self._truth.append(query.truth)
            self._consider(query, answer)

    def predictions(self) -> Predictions:
        """All of them, in the order in which they were added."""
        C = len(self.labels)
        return Predictions(
            labels=self.labels,
            truth=codes_of(self._truth, self.labels),
            scores=np.array(self._scores, dtype=np.float64).reshape(-1, C),
            ranking=np.array(self._rankings, dtype=np.intp).reshape(-1, C),
        )

    def mistakes(self) -> list[Exhibit]:
        """The most confident ones, worst first."""
        return [exhibit for _, _, exhibit in sorted(self._worst, key=lambda w: (-w[0], w[1]))]

    def _consider(self, query: Posed, answer: Answer) -> None:
        if answer.label in (None, query.truth) or query.truth not in self.labels:
            return
        assert answer.label is not None
        assert answer.score is not None
        exhibit = Exhibit(
            name=query.name,
            truth=query.truth,
            answered=answer.label,
            score=answer.score,
            neighbours=query.evidence,
            thumbnail=query.thumbnail,
        )
        place = (answer.score, -next(self._order), exhibit)
        if len(self._worst) < SHOWN_MISTAKES:
            heapq.heappush(self._worst, place)
        else:
            heapq.heappushpop(self._worst, place)


def evidence_of(answer: Answer) -> tuple[Shown, ...]:
    """The nearest neighbours of an answer, as they are shown."""
    return tuple(
        Shown(n.id, n.label, n.similarity, n.source, n.learned_similarity)
        for n in answer.neighbours[:SHOWN_NEIGHBOURS]
    )
