"""k-NN: the nearest references vote.

Shapes: Q queries, K neighbours each, C labels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import Evidence
from classify.answering.modes import MetricName
from holotype.references import Codes, Floats, Neighbour, Reference, Vectors
from holotype.votes import Similarities, Tally, Voting, Weighting

if TYPE_CHECKING:
    from head.fit.whitening import Metric


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The C labels that can be answered, in the order of a tally's columns.

    Making it takes as long as a vote where there are 1,000 of them: it is kept between calls.
    """

    counts: Mapping[str, int]
    """References per label."""
    labels: tuple[str, ...]
    """Sorted."""
    sizes: Floats
    """(C,) references of each."""
    codes: Mapping[str, int]
    """The column of each."""

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Classes:
        """From references per label."""
        labels = tuple(sorted(counts))
        sizes = np.array([counts[label] for label in labels], dtype=np.float64)
        return cls(counts, labels, sizes, {label: c for c, label in enumerate(labels)})

    def including(self, labels: Iterable[str]) -> Classes:
        """With labels that appeared since they were counted: new ones, of one reference."""
        new = set(labels) - self.codes.keys()
        return Classes.of({**self.counts, **dict.fromkeys(new, 1)}) if new else self


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The neighbours of one query in the order in which they vote; row i is neighbour i."""

    neighbours: Sequence[Neighbour]
    """K of them, nearest first."""
    closeness: Similarities
    """(K,) cosine in [-1, 1] in the space that they were ranked in, descending."""
    places: Vectors | None = None
    """(K, D) unit rows in that space, where the vote needs them."""

    def __len__(self) -> int:
        return len(self.neighbours)

    def nearest(self, k: int) -> Ranked:
        """The first `k` of them."""
        if k >= len(self):
            return self
        places = None if self.places is None else self.places[:k]
        return Ranked(self.neighbours[:k], self.closeness[:k], places)

    def evidence(
        self, references: Mapping[str, Reference], weights: Floats, *, learned: bool
    ) -> tuple[Evidence, ...]:
        """Them as an answer shows them; one that is not among the references (by id) is left out.

        Args:
            references: by id.
            weights: (K or more,) what each voted with.
            learned: whether they are near in the learned space.
        """
        return tuple(
            Evidence(
                id=neighbour.id,
                label=neighbour.label,
                similarity=neighbour.similarity,
                learned_similarity=float(closeness) if learned else None,
                weight=float(weight),
                source=reference.source,
                group=reference.group,
                meta=dict(reference.meta),
            )
            for neighbour, closeness, weight in zip(
                self.neighbours, self.closeness, weights, strict=False
            )
            if (reference := references.get(neighbour.id)) is not None
        )


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Who voted on each query, and what came of it."""

    voters: Sequence[Ranked]
    """Q times those that voted."""
    metric: MetricName
    tally: Tally
    labels: tuple[str, ...]
    """The C labels that the tally's columns are of."""

    def shown(self, n: int) -> list[str]:
        """Ids of all that `evidence` names, each once."""
        nearest = chain.from_iterable(ranked.neighbours[:n] for ranked in self.voters)
        return list(dict.fromkeys(neighbour.id for neighbour in nearest))

    def evidence(self, n: int, references: Mapping[str, Reference]) -> list[tuple[Evidence, ...]]:
        """The nearest `n` that voted on each query, under the labels that they voted for.

        Args:
            n: how many.
            references: by id; one that was removed since the search is not named.
        """
        learned = self.metric is MetricName.LEARNED
        return [
            ranked.nearest(n).evidence(references, weights, learned=learned)
            for ranked, weights in zip(self.voters, self.tally.weights, strict=True)
        ]


def by_cosine(neighbours: Sequence[Sequence[Neighbour]], *, with_places: bool) -> list[Ranked]:
    """Neighbours as the search ranked them; with places they must have come with vectors."""
    return [
        Ranked(
            found,
            np.array([n.similarity for n in found]),
            _vectors(found) if with_places and found else None,
        )
        for found in neighbours
    ]


def by_metric(
    vectors: Vectors, neighbours: Sequence[Sequence[Neighbour]], metric: Metric
) -> list[Ranked]:
    """Rank each query's neighbours again, by cosine in the whitened space.

    Args:
        vectors: (Q, D) unit rows, the queries.
        neighbours: Q lists, with vectors.
        metric: of the active head.
    """
    # Queries of one batch share many neighbours: each is whitened once.
    unique = {n.id: n for found in neighbours for n in found}
    if not unique:
        return [Ranked(found, np.empty(0)) for found in neighbours]
    whitened, queries = metric.whiten(_vectors([*unique.values()])), metric.whiten(vectors)
    row_of = {id_: row for row, id_ in enumerate(unique)}
    return [
        _reranked(found, whitened[[row_of[n.id] for n in found]], query)
        for found, query in zip(neighbours, queries, strict=True)
    ]


def _reranked(found: Sequence[Neighbour], places: Vectors, query: Vectors) -> Ranked:
    closeness = places @ query
    order = np.argsort(-closeness, kind="stable")
    return Ranked([found[i] for i in order], closeness[order], places[order])


def _vectors(neighbours: Sequence[Neighbour]) -> Vectors:
    """(N, D) the stored vectors, which must have come with the search."""
    return np.array([n.vector for n in neighbours], dtype=np.float32)


def vote(
    ranked: Sequence[Ranked], voting: Voting, *, metric: MetricName, classes: Classes
) -> Neighbourhood:
    """Let each query's nearest k vote.

    Args:
        ranked: of Q queries; with places where the rule is kriging.
        voting: the rule.
        metric: what they are ranked by.
        classes: those that could have neighbours, as they were counted before the search.
    """
    voters = [one.nearest(voting.k) for one in ranked]
    classes = classes.including(n.label for one in voters for n in one.neighbours)
    similarities, codes = _arrays(voters, classes.codes)
    kriging = voting.rule.weighting is Weighting.KRIGING
    tally = voting.rule.cast(
        similarities,
        codes,
        class_sizes=classes.sizes,
        affinities=_affinities(voters, similarities.shape[1]) if kriging else None,
    )
    return Neighbourhood(voters, metric, tally, classes.labels)


def _arrays(voters: Sequence[Ranked], code: Mapping[str, int]) -> tuple[Floats, Codes]:
    """Closeness and classes, (Q, K) each, with class -1 where a query has fewer."""
    shape = (len(voters), max(map(len, voters), default=0))
    similarities = np.zeros(shape)
    classes = np.full(shape, -1, dtype=np.intp)
    for row, one in enumerate(voters):
        similarities[row, : len(one)] = one.closeness
        classes[row, : len(one)] = [code[n.label] for n in one.neighbours]
    return similarities, classes


def _affinities(voters: Sequence[Ranked], K: int) -> Vectors:
    """(Q, K, K) cosines between the voters of each query, 0 where there is none."""
    affinities = np.zeros((len(voters), K, K), dtype=np.float32)
    for row, one in enumerate(voters):
        if one.places is not None:
            affinities[row, : len(one), : len(one)] = one.places @ one.places.T
    return affinities
