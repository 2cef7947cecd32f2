"""k-NN: the nearest references vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answers import Answer, Evidence, LabelScore
from classify.modes import MetricName, Mode
from classify.options import QueryOptions
from holotype.references import Neighbour, Reference, Vectors
from holotype.votes import Codes, Floats

if TYPE_CHECKING:
    from head.metric import Metric


@dataclass(frozen=True, slots=True)
class Candidate:
    """A neighbour, by plain cosine and perhaps by the learned metric."""

    reference: Reference
    similarity: float
    """Cosine in [-1, 1]."""
    learned: float | None = None
    """Cosine in the whitened space, where it was measured."""

    @property
    def closeness(self) -> float:
        """What it is ranked and weighed by."""
        return self.similarity if self.learned is None else self.learned


def by_cosine(found: Sequence[Neighbour]) -> list[Candidate]:
    """Neighbours as the search ranked them."""
    return [Candidate(n.reference, n.similarity) for n in found]


def by_metric(
    vectors: Vectors, neighbours: Sequence[Sequence[Neighbour]], metric: Metric
) -> list[list[Candidate]]:
    """Rank each query's neighbours again, by cosine in the whitened space.

    Args:
        vectors: (Q, D) unit rows, the queries.
        neighbours: Q lists, with vectors.
        metric: of the active head.
    """
    row_of: dict[str, int] = {}
    rows: list[Vectors] = []
    for n in (n for found in neighbours for n in found):
        if n.reference.id not in row_of:  # queries of one batch share many neighbours
            assert n.vector is not None
            row_of[n.reference.id] = len(rows)
            rows.append(n.vector)
    if not rows:
        return [[] for _ in neighbours]
    whitened, queries = metric.whiten(np.stack(rows)), metric.whiten(vectors)
    return [
        _sorted(found, whitened[[row_of[n.reference.id] for n in found]] @ query)
        for found, query in zip(neighbours, queries, strict=True)
    ]


def _sorted(found: Sequence[Neighbour], learned: Vectors) -> list[Candidate]:
    candidates = [
        Candidate(n.reference, n.similarity, float(s)) for n, s in zip(found, learned, strict=True)
    ]
    return sorted(candidates, key=lambda c: -c.closeness)


def answers_by_vote(
    candidates: Sequence[Sequence[Candidate]],
    options: QueryOptions,
    *,
    metric: MetricName,
    class_sizes: Mapping[str, int],
) -> list[Answer]:
    """Let each query's candidates vote; Q lists in, nearest first, Q answers out.

    `class_sizes` counts the references of each label that could have been candidates; a label
    that appeared after they were counted is taken for new: one reference.
    """
    labels = sorted(set(class_sizes) | {c.reference.label for row in candidates for c in row})
    similarities, classes = _arrays(candidates, labels)
    sizes = np.array([class_sizes.get(label, 1) for label in labels], dtype=np.float64)
    votes = options.vote_rule(metric).cast(similarities, classes, class_sizes=sizes)
    return [
        Answer(
            mode=Mode.KNN,
            metric=metric,
            scores=_top(shares, order, labels, top=options.top),
            neighbours=tuple(
                Evidence(c.reference, c.similarity, float(w), learned=c.learned)
                for c, w in zip(found, row, strict=False)
            ),
        )
        for found, row, shares, order in zip(
            candidates, votes.weights, votes.shares, votes.ranking(), strict=True
        )
    ]


def _arrays(candidates: Sequence[Sequence[Candidate]], labels: list[str]) -> tuple[Floats, Codes]:
    """Closeness and classes, (Q, K) each, with class -1 where a list is shorter."""
    code = {label: i for i, label in enumerate(labels)}
    shape = (len(candidates), max((len(found) for found in candidates), default=0))
    similarities = np.zeros(shape)
    classes = np.full(shape, -1, dtype=np.intp)
    for row, found in enumerate(candidates):
        similarities[row, : len(found)] = [c.closeness for c in found]
        classes[row, : len(found)] = [code[c.reference.label] for c in found]
    return similarities, classes


def _top(shares: Floats, order: Codes, labels: list[str], *, top: int) -> tuple[LabelScore, ...]:
    """The best labels that got any vote."""
    return tuple(LabelScore(labels[c], float(shares[c])) for c in order[:top] if shares[c] > 0)
