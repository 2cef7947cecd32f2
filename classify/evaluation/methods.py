"""What a learning curve compares, trained anew for every draw: by the code that users get.

Feature map and shrinkage are settled, metric and linear discriminants fitted, and neighbours found
and voting as a retrain and a query do. Of the head's candidates LDA stands for all: it has a
closed form, and hundreds of heads are fitted for a curve.

Shapes: N references, Q queries, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from classify.evaluation.learning import Classify
from head.choice.cross_validation import within_everything
from head.choice.refit import Refit
from head.choice.selection import settle
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.lda import LinearLayer, discriminants
from head.fit.options import TrainOptions
from head.fit.whitening import Metric
from holotype.knn import Knn
from holotype.references import Codes, Vectors
from holotype.votes import Voting


def compared(
    vectors: Vectors, classes: Codes, *, cosine: Voting, learned: Voting
) -> Mapping[str, Classify]:
    """What a curve shows, trained on (N, D) unit rows and their (N,) classes.

    Where no class has two references that differ there is no metric to learn: neighbours vote by
    cosine, and the head is the logistic regression that a retrain makes then.
    """
    present, own = np.unique(classes, return_inverse=True)
    alone = np.arange(len(vectors))
    training = TrainingSet(
        labels=tuple(map(str, present.tolist())),
        vectors=vectors,
        codes=own,
        groups=alone,
        marks=alone,
    )
    search, _ = settle(training, seed=0)
    within = within_everything(training, search.features)
    by_cosine = ByNeighbours(present, _voters(training, cosine))
    if within is None:
        layer = Refit(training, search, None, TrainOptions(device="cpu")).winner(None)
        by_metric = by_cosine
    else:
        within = within.shrunk_at_least(search.shrinkage)
        layer = discriminants(within)
        metric = Metric.of(within, search.features)
        by_metric = ByNeighbours(present, _voters(training, learned, metric), metric)
    return {
        "k-NN, cosine": by_cosine,
        "k-NN, learned metric": by_metric,
        "linear (LDA)": ByLayer(present, layer, search.features),
    }


@dataclass(frozen=True, slots=True, eq=False)
class ByNeighbours:
    """The nearest references vote."""

    present: Codes
    """(C,) the classes, in the order of the votes' columns."""
    voters: Knn
    metric: Metric | None = None

    def __call__(self, queries: Vectors) -> Codes:
        """(Q,) classes of (Q, D) unit rows."""
        placed = None if self.metric is None else self.metric.whiten(queries)
        tallies = self.voters.tallies(queries, placed=placed)
        best: Codes = self.present[np.concatenate([tally.ranking()[:, 0] for tally in tallies])]
        return best


@dataclass(frozen=True, slots=True, eq=False)
class ByLayer:
    """A linear layer on mapped vectors."""

    present: Codes
    """(C,) the classes, in the order of the layer's rows."""
    layer: LinearLayer
    features: FeatureMap

    def __call__(self, queries: Vectors) -> Codes:
        """(Q,) classes of (Q, D) unit rows."""
        best: Codes = self.present[self.layer.logits(self.features.of(queries)).argmax(axis=1)]
        return best


def _voters(training: TrainingSet, voting: Voting, metric: Metric | None = None) -> Knn:
    return Knn(
        vectors=training.vectors,
        classes=training.codes,
        n_classes=len(training.labels),
        voting=voting,
        placed=None if metric is None else metric.whiten(training.vectors),
    )
