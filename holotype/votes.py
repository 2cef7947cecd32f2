"""How neighbours vote. Arrays in, arrays out: queries, evaluation and calibration share it.

Shapes: Q queries, K neighbours each, C classes. A query with fewer than K neighbours has
class -1 in the places that are left; what stands in `similarities` there is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from holotype.references import Codes, Floats, Vectors

Similarities = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

KNN_TEMPERATURE = 0.07
"""Meta's k-NN protocol for DINO and DINOv2 weights votes by softmax(similarity / 0.07)."""

NUGGET = 0.3
"""Variance that kriging takes for noise, as a share of the signal's.

Chosen by cross-validation on the training parts of the development sets: 0.1 is as good, 1 loses
half a point (`docs/LAB.md`).
"""


class Weighting(StrEnum):
    """What a neighbour's vote counts."""

    EQUAL = "equal"
    """One neighbour, one vote."""
    SOFTMAX = "softmax"
    """softmax(similarity / temperature) over a query's neighbours."""
    KRIGING = "kriging"
    """The weights that predict best where neighbours resemble each other, too.

    Ordinary kriging (Krige 1951; Matheron 1963): a Gaussian process restricted to the
    neighbours, with covariance exp(cosine - 1). Near-duplicates share one vote; a weight may be
    negative, which is evidence against a class.
    """


SHARE_FLOOR = 0.05
"""Part of the vote that a class without any is given before the logarithm is taken.

Chosen by log loss on out-of-fold votes of the development sets' training parts; 0.03 to 0.1
differ by less than 0.003 nats (`docs/LAB.md`).
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a vote gave each class."""

    weights: Floats
    """(Q, K) what each neighbour's vote counted; a row sums to 1, or to 0 without neighbours."""
    sums: Floats
    """(Q, C) summed weights of each class; below 0 where kriging speaks against a class."""
    support: Floats
    """(Q, C) summed similarity of the neighbours of each class: breaks ties."""
    floor: float = SHARE_FLOOR
    """See `VoteRule.floor`."""

    @property
    def shares(self) -> Floats:
        """(Q, C) in [0, 1], sums below 0 left out; a row sums to 1, or to 0."""
        return _normalised(np.maximum(self.sums, 0.0))

    @property
    def scores(self) -> Floats:
        """(Q, C) for a calibration: see `vote_scores`."""
        return vote_scores(self.sums, floor=self.floor)

    @classmethod
    def joined(cls, tallies: Iterable[Tally]) -> Tally:
        """Tallies of blocks of queries as one; at least one, all by the same rule."""
        first, *others = tallies
        if not others:
            return first
        together = [first, *others]
        return cls(
            weights=np.concatenate([one.weights for one in together]),
            sums=np.concatenate([one.sums for one in together]),
            support=np.concatenate([one.support for one in together]),
            floor=first.floor,
        )

    def ranking(self) -> Codes:
        """(Q, C) classes, best first: by sum, then by summed similarity, then by number."""
        return np.lexsort((-self.support, -self.sums), axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRule:
    """How neighbours vote."""

    weighting: Weighting = Weighting.SOFTMAX
    temperature: float = KNN_TEMPERATURE
    """Of the softmax."""
    nugget: float = NUGGET
    """Of kriging."""
    class_cap: int | None = None
    """Only this many neighbours of each class vote, its nearest ones."""
    balance: float = 0.0
    """In [0, 1]. Votes are divided by (references of their class) ** balance: a class with
    100 times the references of another has 100 times as many chances to be near. 1 answers as
    if all classes were equally frequent."""
    floor: float = SHARE_FLOOR
    """Of `vote_scores`."""

    def cast(
        self,
        similarities: Similarities,
        classes: Codes,
        *,
        class_sizes: Floats,
        affinities: Similarities | None = None,
    ) -> Tally:
        """Let neighbours vote.

        Args:
            similarities: (Q, K) in [-1, 1], descending.
            classes: (Q, K) class numbers, -1 where there is no neighbour.
            class_sizes: (C,) references of each class that could have been neighbours.
            affinities: (Q, K, K) cosines between the neighbours of a query; kriging needs them.
        """
        votes = classes >= 0
        if self.class_cap is not None:
            votes &= _place_in_class(classes, len(class_sizes)) < self.class_cap
        weights = self._weights(similarities, votes, affinities)
        if self.balance:
            weights = weights / np.maximum(class_sizes, 1)[classes] ** self.balance
            weights = _normalised(weights)
        return Tally(
            weights=weights,
            sums=_sum_by_class(weights, classes, len(class_sizes)),
            support=_sum_by_class(similarities, classes, len(class_sizes)),
            floor=self.floor,
        )

    def _weights(
        self, similarities: Similarities, votes: Flags, affinities: Similarities | None
    ) -> Floats:
        match self.weighting:
            case Weighting.EQUAL:
                return _normalised(votes.astype(np.float64))
            case Weighting.SOFTMAX:
                return _softmax(similarities / self.temperature, votes)
            case Weighting.KRIGING:
                assert affinities is not None
                return _kriging(similarities, affinities, votes, nugget=self.nugget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voting:
    """How neighbours are found and vote, with nothing left open.

    Stored with a head beside the calibration that was fitted to it.
    """

    candidates: int
    """The nearest by plain cosine: they are fetched."""
    k: int
    """Of the candidates, the nearest in the space that they are ranked in: they vote."""
    rule: VoteRule

    def balanced(self, balance: float) -> Voting:
        """The same with votes weighed against the size of their class (`VoteRule.balance`)."""
        return replace(self, rule=replace(self.rule, balance=balance))

    def cast(
        self, queries: Vectors, places: Vectors, classes: Codes, *, class_sizes: Floats
    ) -> Tally:
        """Rank each query's candidates by cosine, and let the nearest k vote.

        Args:
            queries: (Q, D) unit rows in the space that is ranked in.
            places: (Q, R, D) unit rows there, the candidates of each query in any order.
            classes: (Q, R) class numbers of the candidates, -1 where there is none.
            class_sizes: (C,) references of each class that could have been neighbours.
        """
        closeness, order = ranked(queries, places, present=classes >= 0)
        closeness, order = closeness[:, : self.k], order[:, : self.k]
        affinities = None
        if self.rule.weighting is Weighting.KRIGING:
            voters = np.take_along_axis(places, order[:, :, None], axis=1)
            affinities = np.matmul(voters, voters.transpose(0, 2, 1))
        return self.rule.cast(
            closeness,
            np.take_along_axis(classes, order, axis=1),
            class_sizes=class_sizes,
            affinities=affinities,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Voting:
        """Inverse of `to_json`."""
        rule = data["rule"]
        return cls(
            candidates=int(data["candidates"]),
            k=int(data["k"]),
            rule=VoteRule(
                weighting=Weighting(rule["weighting"]),
                temperature=float(rule["temperature"]),
                nugget=float(rule["nugget"]),
                class_cap=None if rule["class_cap"] is None else int(rule["class_cap"]),
                balance=float(rule["balance"]),
                floor=float(rule["floor"]),
            ),
        )


BY_METRIC: Final = Voting(candidates=100, k=100, rule=VoteRule(weighting=Weighting.KRIGING))
"""How neighbours by a learned metric vote where nothing else is asked for.

50 candidates lose most of a point, 200 a little (leave-one-out on the development sets,
`docs/LAB.md`)."""

BEFORE_IT_WAS_STORED: Final = Voting(
    candidates=100,
    k=100,
    rule=VoteRule(
        weighting=Weighting.KRIGING,
        temperature=0.07,
        nugget=0.3,
        class_cap=None,
        balance=0.0,
        floor=0.05,
    ),
)
"""What heads were calibrated for while none said for what. History: it never changes."""


def ranked(queries: Vectors, places: Vectors, *, present: Flags) -> tuple[Similarities, Codes]:
    """Each query's candidates by cosine, nearest first.

    Args:
        queries: (Q, D) unit rows in the space that is ranked in.
        places: (Q, R, D) unit rows there, the candidates of each query in any order.
        present: (Q, R) whether there is a candidate; those that are missing come last.

    Returns:
        (Q, R) cosines, descending, -1 where there is nobody; and (Q, R) their places before.
    """
    cosine = np.einsum("qd,qrd->qr", queries, places)
    cosine[~present] = -1.0
    order = np.argsort(-cosine, axis=1, kind="stable")
    return np.take_along_axis(cosine, order, axis=1), order


def vote_scores(sums: Floats, *, floor: float = SHARE_FLOOR) -> Floats:
    """(Q, C) scores that a temperature turns into probabilities, from summed votes (Q, C).

    The logarithm of a vote, not the vote: between 60 classes a softmax of shares cannot be sure
    of a clear winner and doubtful of a narrow one at the same temperature.
    """
    scores: Floats = np.log(np.maximum(sums, 0.0) + floor)
    return scores


def _softmax(logits: Similarities, votes: Flags) -> Floats:
    masked = np.where(votes, logits, -np.inf).astype(np.float64)
    highest = masked.max(axis=1, keepdims=True, initial=-np.inf)
    return _normalised(np.exp(masked - np.where(np.isfinite(highest), highest, 0.0)))


def _kriging(
    similarities: Similarities, affinities: Similarities, votes: Flags, *, nugget: float
) -> Floats:
    """Weights that sum to 1 and have the least expected error.

    (K + nugget I) w = k is solved, then w is moved along the solution for ones until it sums to
    1, so that nothing is pulled towards an assumed mean.
    """
    both = votes[:, :, None] & votes[:, None, :]
    covariance = np.where(both, np.exp(affinities.astype(np.float64) - 1), 0.0)
    # Who does not vote has a row of the identity, so its weight is zero.
    covariance += np.where(votes, nugget, 1.0)[:, :, None] * np.eye(votes.shape[1])
    towards = np.where(votes, np.exp(similarities.astype(np.float64) - 1), 0.0)
    solved = np.linalg.solve(covariance, np.stack([towards, votes.astype(np.float64)], axis=2))
    weights, level = solved[:, :, 0], solved[:, :, 1]
    missing = 1 - weights.sum(axis=1, keepdims=True)
    total = level.sum(axis=1, keepdims=True)
    corrected: Floats = weights + level * missing / np.where(total > 0, total, 1.0)
    return corrected


def _place_in_class(classes: Codes, C: int) -> Codes:
    """(Q, K) how many neighbours of the same class are nearer."""
    Q, K = classes.shape
    place = np.zeros((Q, K), dtype=np.intp)
    seen = np.zeros((Q, C + 1), dtype=np.intp)  # the last column counts those that are missing
    queries = np.arange(Q)
    for k in range(K):
        place[:, k] = seen[queries, classes[:, k]]
        seen[queries, classes[:, k]] += 1
    return place


def _sum_by_class(values: Similarities, classes: Codes, C: int) -> Floats:
    present = classes >= 0
    sums = np.zeros((classes.shape[0], C))
    queries = np.broadcast_to(np.arange(classes.shape[0])[:, None], classes.shape)
    np.add.at(sums, (queries[present], classes[present]), values[present])
    return sums


def _normalised(weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    normalised: Floats = weights / np.where(total > 0, total, 1.0)
    return normalised
