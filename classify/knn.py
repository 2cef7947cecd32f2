"""k-NN: the nearest references vote.

Shapes: Q queries, K candidates each, C labels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answers import Evidence
from classify.modes import MetricName, Mode
from classify.opinion import Opinion
from classify.options import Voting
from holotype.references import Neighbour, Reference, Vectors
from holotype.votes import Codes, Floats, Tally, Weighting

if TYPE_CHECKING:
    from head.calibration import Calibration
    from head.metric import Metric


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A neighbour, by plain cosine and perhaps by the learned metric."""

    reference: Reference
    similarity: float
    """Cosine in [-1, 1]."""
    learned: float | None = None
    """Cosine in the whitened space, where it was measured."""
    place: Vectors | None = None
    """(D,) unit vector in the space that it was ranked in, where it was asked for."""

    @property
    def closeness(self) -> float:
        """What it is ranked and weighed by."""
        return self.similarity if self.learned is None else self.learned


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Who voted on each query, and what came of it."""

    candidates: Sequence[Sequence[Candidate]]
    """Q lists of those that voted, nearest first."""
    metric: MetricName
    tally: Tally
    labels: tuple[str, ...]
    """The C labels that the tally's columns are of."""

    def opinion(self, calibration: Calibration | None) -> Opinion:
        """Probabilities where this way of voting was calibrated, shares of the vote elsewhere."""
        scores = calibration.probabilities(self.tally.scores) if calibration else self.tally.shares
        # Without a neighbour there is nothing to say, however it was calibrated.
        voted = (self.tally.weights != 0).any(axis=1, keepdims=True)
        return Opinion(
            Mode.KNN, self.labels, np.where(voted, scores, 0.0), self.tally.ranking(), calibration
        )

    def evidence(self, query: int, n: int) -> tuple[Evidence, ...]:
        """The nearest `n` that voted on a query."""
        return tuple(
            Evidence(c.reference, c.similarity, float(weight), learned=c.learned)
            for c, weight in zip(
                self.candidates[query][:n], self.tally.weights[query], strict=False
            )
        )


def by_cosine(neighbours: Sequence[Sequence[Neighbour]]) -> list[list[Candidate]]:
    """Neighbours as the search ranked them."""
    return [
        [Candidate(n.reference, n.similarity, place=n.vector) for n in found]
        for found in neighbours
    ]


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
        _ranked(found, whitened[[row_of[n.reference.id] for n in found]], query)
        for found, query in zip(neighbours, queries, strict=True)
    ]


def _ranked(found: Sequence[Neighbour], places: Vectors, query: Vectors) -> list[Candidate]:
    candidates = [
        Candidate(n.reference, n.similarity, learned=float(s), place=place)
        for n, s, place in zip(found, places @ query, places, strict=True)
    ]
    return sorted(candidates, key=lambda c: -c.closeness)


def vote(
    candidates: Sequence[Sequence[Candidate]], voting: Voting, *, class_sizes: Mapping[str, int]
) -> Neighbourhood:
    """Let each query's nearest k candidates vote.

    Args:
        candidates: Q lists, nearest first; with places where the rule is kriging.
        voting: the rule.
        class_sizes: references of each label that could have been candidates; a label that
            appeared after they were counted is taken for new, with one reference.
    """
    voters = [found[: voting.k] for found in candidates]
    labels = tuple(sorted(set(class_sizes) | {c.reference.label for row in voters for c in row}))
    similarities, classes = _arrays(voters, labels)
    kriging = voting.rule.weighting is Weighting.KRIGING
    tally = voting.rule.cast(
        similarities,
        classes,
        class_sizes=np.array([class_sizes.get(label, 1) for label in labels], dtype=np.float64),
        affinities=_affinities(voters, similarities.shape[1]) if kriging else None,
    )
    return Neighbourhood(voters, voting.metric, tally, labels)


def _arrays(
    candidates: Sequence[Sequence[Candidate]], labels: Sequence[str]
) -> tuple[Floats, Codes]:
    """Closeness and classes, (Q, K) each, with class -1 where a list is shorter."""
    code = {label: i for i, label in enumerate(labels)}
    shape = (len(candidates), max((len(found) for found in candidates), default=0))
    similarities = np.zeros(shape)
    classes = np.full(shape, -1, dtype=np.intp)
    for row, found in enumerate(candidates):
        similarities[row, : len(found)] = [c.closeness for c in found]
        classes[row, : len(found)] = [code[c.reference.label] for c in found]
    return similarities, classes


def _affinities(candidates: Sequence[Sequence[Candidate]], K: int) -> Vectors:
    """(Q, K, K) cosines between the candidates of each query, 0 where there is none."""
    affinities = np.zeros((len(candidates), K, K), dtype=np.float32)
    for row, found in enumerate(candidates):
        if found:
            places = np.stack([c.place for c in found if c.place is not None])
            affinities[row, : len(found), : len(found)] = places @ places.T
    return affinities
