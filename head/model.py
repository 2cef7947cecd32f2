"""A head version in use: a linear classifier with what makes its scores probabilities.

A head is stored as blocks of D + 1 columns beside the gallery (see `holotype.heads`):

- `linear`  C rows: weights, bias;
- `means`   C rows: the class mean, the number of references it was taken from;
- `metric`  D rows: the whitening matrix, with the centre in the last column;
- `held_out`  packed rows: see `head.held_out`.

Small numbers (temperature, thresholds) stand in the record's report under `parameters`.
Only `linear` must be there. No torch, no scikit-learn.

Shapes: C classes, D dimensions, N vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from head.features import FeatureMap
from head.metric import Metric
from holotype.errors import HeadError
from holotype.heads import HeadRecord, StoredHead
from holotype.references import Vectors

Floats = npt.NDArray[np.float64]

LINEAR, MEANS, METRIC = "linear", "means", "metric"
"""Names of blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassMeans:
    """Where each class lay when the head was trained."""

    means: Vectors
    """(C, D) float32, in the order of the head's labels."""
    counts: Vectors
    """(C,) float32: references per class."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear classifier: weights (C, D), bias (C,), labels, temperature, report."""

    record: HeadRecord
    """Version, status and report, as stored."""
    labels: tuple[str, ...]
    weights: Vectors
    """(C, D) float32."""
    bias: Vectors
    """(C,) float32."""
    temperature: float = 1.0
    """Fitted on out-of-fold predictions; logits are divided by it."""
    features: FeatureMap = FeatureMap.PLAIN
    """What is done to a stored vector first; weights, means and metric are of its result."""
    metric: Metric | None = None
    class_means: ClassMeans | None = None
    provisional: frozenset[str] = field(default_factory=frozenset)
    """Labels whose row was not trained but derived from their mean (`head.provisional`)."""

    @property
    def version(self) -> str:
        """The version's name."""
        return self.record.version

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.weights.shape[1])

    def logits(self, vectors: Vectors) -> Floats:
        """(N, C) scores of (N, D) unit rows, before the temperature."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise HeadError(
                f"head {self.version} takes vectors of {self.dimension} numbers, "
                f"these have the shape {vectors.shape}: they come from another encoder"
            )
        scores = self.features.of(vectors) @ self.weights.T + self.bias
        return scores.astype(np.float64)

    def probabilities(self, vectors: Vectors) -> Floats:
        """(N, C) calibrated probabilities of (N, D) unit rows; a row sums to 1.

        Raises:
            HeadError: the vectors have another dimension than the head.
        """
        return softmax(self.logits(vectors) / self.temperature)

    def to_stored(self) -> StoredHead:
        """The form that a store keeps: the numbers as blocks, the rest in the record."""
        blocks = {LINEAR: np.column_stack([self.weights, self.bias]).astype(np.float32)}
        if self.class_means is not None:
            means = self.class_means
            blocks[MEANS] = np.column_stack([means.means, means.counts]).astype(np.float32)
        if self.metric is not None:
            metric = self.metric
            blocks[METRIC] = np.column_stack([metric.matrix, metric.centre]).astype(np.float32)
        return StoredHead(record=self.record, blocks=blocks)

    @classmethod
    def from_stored(cls, stored: StoredHead) -> Head:
        """Inverse of `to_stored`.

        Raises:
            HeadError: the stored numbers do not fit the record.
        """
        record, blocks = stored.record, stored.blocks
        linear = blocks.get(LINEAR)
        if linear is None or len(linear) != len(record.labels):
            raise HeadError(
                f"head {record.version} is stored without a row for each of its "
                f"{len(record.labels)} labels: run `retrain` for a new one"
            )
        parameters: Mapping[str, Any] = record.report.get("parameters", {})
        features = FeatureMap(parameters.get("features", FeatureMap.PLAIN))
        return cls(
            record=record,
            labels=record.labels,
            weights=linear[:, :-1],
            bias=linear[:, -1],
            temperature=float(parameters.get("temperature", 1.0)),
            features=features,
            metric=_metric(blocks.get(METRIC), features),
            class_means=_class_means(blocks.get(MEANS)),
        )


def softmax(logits: Floats) -> Floats:
    """(N, C) probabilities of (N, C) logits; a row sums to 1."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def _metric(block: Vectors | None, features: FeatureMap) -> Metric | None:
    return None if block is None else Metric(block[:, :-1], block[:, -1], features)


def _class_means(block: Vectors | None) -> ClassMeans | None:
    return None if block is None else ClassMeans(means=block[:, :-1], counts=block[:, -1])
