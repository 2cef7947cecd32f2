"""From votes and a head to what is answered: the same over a store and over arrays in memory.

The classifier searches a store and lets what it finds vote; the scikit-learn estimator
(`classify.estimator`) has its references in an array. What they make of the votes is this.

Shapes: Q queries, C labels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.class_scores import ClassScores
from classify.answering.linear import head_scores
from classify.answering.modes import MetricName, Mode
from classify.answering.pooling import gated, pooled

if TYPE_CHECKING:
    from classify.answering.options import QueryOptions
    from head.trust.calibration import Calibration
    from head.versions.head import Head
    from holotype.references import Vectors
    from holotype.votes import Tally, Voting


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scoring:
    """Scores the classes for some queries, by what is known when they are asked."""

    vectors: Vectors
    """(Q, D) unit rows."""
    options: QueryOptions
    counts: Mapping[str, int]
    """References per label that can be answered."""
    head: Head | None
    """For the labels of today."""

    def newer(self, labels: Sequence[str]) -> frozenset[str]:
        """Those of these labels that the head was not trained on."""
        if self.head is None:
            return frozenset()
        return frozenset(labels) - (frozenset(self.head.labels) - self.head.provisional)

    def voting(self, by: MetricName) -> tuple[Voting, Calibration | None]:
        """How neighbours by this metric vote, and what makes probabilities of their votes."""
        learned = by is MetricName.LEARNED
        known = self.head.calibration.get(Mode.KNN) if self.head and learned else None
        voting = self.options.voting(by, calibrated=known.voting if known else None)
        # It makes probabilities of the votes that it was fitted to, and of no others.
        if known and known.voting == voting:
            return voting, known
        return voting.balanced(self.options.balance), None

    def of_votes(
        self, tally: Tally, labels: tuple[str, ...], calibration: Calibration | None
    ) -> ClassScores:
        """What the neighbours think, before it is balanced.

        Probabilities where this way of voting was calibrated, shares of the vote elsewhere; about
        newcomers it is what the head's gate says.
        """
        scores = calibration.probabilities(tally.scores) if calibration else tally.shares
        # Without a neighbour there is nothing to say, however it was calibrated.
        voted = (tally.weights != 0).any(axis=1, keepdims=True)
        scores = np.where(voted, scores, 0.0)
        by_knn = ClassScores(Mode.KNN, labels, scores, tally.ranking(), calibration)
        head = self.head
        newcomers = head.provisional.intersection(labels) if head else frozenset()
        if (
            head is None
            or head.gate is None
            or calibration is None
            or self.options.exclude_self  # a mean holds the query itself
            or not newcomers
        ):
            return by_knn
        by_head = head_scores(head, self.vectors, labels=labels)
        return gated(by_knn, by_head, newcomers=newcomers)

    def knn(self, voted: ClassScores) -> ClassScores:
        """What the neighbours answer, of what they voted."""
        # Votes that were not calibrated were balanced when they were cast.
        return voted if voted.calibration is None else self._balanced(voted)

    def linear(self, labels: Sequence[str]) -> ClassScores:
        """What the head answers.

        Raises:
            NoActiveHead: it knows none of these labels.
        """
        assert self.head is not None
        return self._balanced(head_scores(self.head, self.vectors, labels=labels))

    def auto(self, voted: ClassScores) -> tuple[ClassScores, tuple[ClassScores, ...]]:
        """What both answer together, of what the neighbours voted.

        Returns:
            The answer, and its two parts, neighbours first; no part where k-NN answers alone
            because no head knows any of the labels.
        """
        head, newer = self.head, self.newer(voted.labels)
        if head is None or newer.issuperset(voted.labels):
            return self.knn(replace(voted, mode=Mode.AUTO)), ()
        by_head = head_scores(head, self.vectors, labels=voted.labels)
        if voted.calibration is None or by_head.calibration is None:
            by_head = self._balanced(by_head)  # as the votes were
            return pooled(by_head, voted, newer=newer, calibration=None), (voted, by_head)
        both = pooled(by_head, voted, newer=newer, calibration=head.calibration.get(Mode.AUTO))
        return self._balanced(both), (self._balanced(voted), self._balanced(by_head))

    def _balanced(self, scores: ClassScores) -> ClassScores:
        """Those for classes as frequent as the options say."""
        sizes = np.array([self.counts.get(label, 1) for label in scores.labels], dtype=np.float64)
        if self.head is not None and self.head.gate is not None:
            # A gate takes newcomers to be as frequent as the others, however few there are.
            new = np.array([label in self.head.provisional for label in scores.labels])
            if scores.calibration is not None and not new.all():
                sizes[new] = sizes[~new].mean()
        return scores.balanced(sizes, self.options.balance)
