"""A head version in use: a linear classifier with what makes its scores probabilities.

A head is stored as blocks of D + 1 columns beside the gallery (see `holotype.heads`):

- `linear`  C rows: weights, bias;
- `means`   C rows: the class mean, the number of references it was taken from;
- `metric`  D rows: the whitening matrix, with the centre in the last column;
- `flats`   rows of what each class spans, the class's number in the last column;
- `out_of_fold`  packed rows: see `head.data.held_out`; `held_out` in heads of before.

Small numbers (temperatures, thresholds) stand in the record's report under `parameters`.
Only `linear` must be there. No torch, no scikit-learn.

Shapes: C classes, D dimensions, N vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from head.data.held_out import HeldOut
from head.fit.features import FeatureMap
from head.fit.lda import LinearLayer
from head.fit.span import Span
from head.fit.temperature import softmax
from head.fit.whitening import Metric
from head.trust.calibration import Calibration
from head.trust.flats import Flats
from head.trust.gate import Gate, Gated
from head.trust.novelty import Novelty
from holotype.errors import HeadError
from holotype.heads import HeadRecord, StoredHead
from holotype.references import Floats, Vectors

if TYPE_CHECKING:
    from head.fit.statistics import WithinClass

LINEAR, MEANS, METRIC, FLATS, OUT_OF_FOLD = "linear", "means", "metric", "flats", "out_of_fold"
"""Names of blocks."""

FORMER_HELD_OUT = "held_out"
"""What heads of before have in place of `OUT_OF_FOLD`."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassMeans:
    """Where each class lay when the head was trained."""

    means: Vectors
    """(C, D) float32, in the order of the head's labels."""
    counts: Vectors
    """(C,) float32: references per class."""

    @classmethod
    def of(cls, within: WithinClass, span: Span | None = None) -> ClassMeans:
        """From the statistics of everything, in the coordinates of `span`."""
        means = (span or Span()).vectors(within.means)
        return cls(means.astype(np.float32), within.counts.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Newcomers:
    """Classes that came after a head without a gate was trained: told from the others by LDA."""

    n_new: int
    """P."""
    layer: LinearLayer
    """(C + P) rows of LDA: the head's C labels, then the P new ones."""
    temperature: float
    """Of that layer's logits."""

    def share(self, mapped: Vectors) -> Floats:
        """(N, P) probability of each new class for vectors after the feature map."""
        everyone = softmax(self.layer.logits(mapped) / self.temperature)
        return everyone[:, -self.n_new :]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear classifier: weights (C, D), bias (C,), labels, temperature, report."""

    record: HeadRecord
    """Version, status and report, as stored."""
    labels: tuple[str, ...]
    """What is answered, in the order of the probabilities' columns: the rows' C labels, then
    those of the newcomers."""
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
    class_flats: Flats | None = None
    """Of the C classes, for the gate; None where it was learned without."""
    lda_temperature: float = 1.0
    """Of LDA with this metric's covariance, for classes that come later."""
    novelty: Novelty | None = None
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    """By mode: `linear` takes `logits`, `knn` the `vote_scores` of the neighbours, `auto`
    the `pooled_scores` of both modes' probabilities. Empty where nothing could be scored."""
    held_out: HeldOut | None = None
    """For a comparison with the next head; None where nothing could be scored."""
    gate: Gate | None = None
    """For classes that come later or are small; None in heads of before there was one, and
    where no class could be left out to rehearse it."""
    newcomers: Newcomers | Gated | None = None
    """Set by `head.versions.class_means.extend`, never stored."""
    outdated: frozenset[str] = frozenset()
    """Provisional labels that it was trained on, with other references than carry them now.
    Set by `head.versions.class_means.extend`, never stored."""

    @property
    def version(self) -> str:
        """The version's name."""
        return self.record.version

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.weights.shape[1])

    @property
    def trained_until(self) -> int | None:
        """The last change of a reference that it was trained on; None where nobody noted it."""
        gallery: Mapping[str, Any] = self.record.report.get("gallery", {})
        return gallery.get("last_change")

    @property
    def trained_labels(self) -> tuple[str, ...]:
        """The C labels of the rows."""
        return self.labels[: len(self.weights)]

    @property
    def provisional(self) -> frozenset[str]:
        """Labels that are answered from their mean, without a row (`head.versions.class_means`)."""
        return frozenset(self.labels[len(self.weights) :])

    def probabilities(self, vectors: Vectors) -> Floats:
        """(N, labels) calibrated probabilities of (N, D) unit rows; a row sums to 1.

        Raises:
            HeadError: the vectors have another dimension than the head.
        """
        mapped = self._mapped(vectors)
        known = self._known(mapped)
        if self.newcomers is None:
            return known
        new = self.newcomers.share(mapped)
        return np.hstack([known * (1 - new.sum(axis=1, keepdims=True)), new])

    def _known(self, mapped: Vectors) -> Floats:
        """(N, C) probabilities of the trained classes."""
        known = softmax(self._trained_logits(mapped) / self.temperature)
        calibration = self.calibration.get(LINEAR)
        # Where nothing was scored there is nothing to say about what the scores support.
        return known if calibration is None else calibration.supported(known)

    def _mapped(self, vectors: Vectors) -> Vectors:
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise HeadError(
                f"head {self.version} takes vectors of {self.dimension} numbers, "
                f"these have the shape {vectors.shape}: they come from another encoder"
            )
        return self.features.of(vectors)

    def _trained_logits(self, mapped: Vectors) -> Floats:
        return (mapped @ self.weights.T + self.bias).astype(np.float64)

    def to_stored(self) -> StoredHead:
        """The form that a store keeps: the numbers as blocks, the rest in the record."""
        blocks = {LINEAR: np.column_stack([self.weights, self.bias]).astype(np.float32)}
        if self.class_means is not None:
            means = self.class_means
            blocks[MEANS] = np.column_stack([means.means, means.counts]).astype(np.float32)
        if self.metric is not None:
            metric = self.metric
            blocks[METRIC] = np.column_stack([metric.matrix, metric.centre]).astype(np.float32)
        if self.class_flats is not None:
            flats = self.class_flats
            numbers = np.repeat(np.arange(len(flats.sizes)), flats.sizes)
            blocks[FLATS] = np.column_stack([flats.rows, numbers]).astype(np.float32)
        if self.held_out is not None and self.held_out.codes is not None:
            blocks[OUT_OF_FOLD] = self.held_out.to_block(self.dimension + 1)
        report = {**self.record.report, "parameters": self._parameters()}
        return StoredHead(record=replace(self.record, report=report), blocks=blocks)

    def _parameters(self) -> dict[str, Any]:
        return {
            "features": str(self.features),
            "temperature": self.temperature,
            "lda_temperature": self.lda_temperature,
            "calibration": {mode: one.to_json() for mode, one in self.calibration.items()},
            "novelty": None if self.novelty is None else self.novelty.to_json(),
            "gate": None if self.gate is None else self.gate.to_json(),
        }

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
        metric = _metric(blocks.get(METRIC), features)
        class_means = _class_means(blocks.get(MEANS))
        return cls(
            record=record,
            labels=record.labels,
            weights=linear[:, :-1],
            bias=linear[:, -1],
            temperature=float(parameters.get("temperature", 1.0)),
            features=features,
            metric=metric,
            class_means=class_means,
            class_flats=_class_flats(blocks.get(FLATS)),
            lda_temperature=float(parameters.get("lda_temperature", 1.0)),
            held_out=_held_out(blocks),
            gate=_gate(parameters.get("gate"), n_classes=len(record.labels)),
            novelty=_novelty(parameters.get("novelty"), metric, class_means),
            calibration={
                mode: Calibration.from_json(data)
                for mode, data in parameters.get("calibration", {}).items()
            },
        )


def _metric(block: Vectors | None, features: FeatureMap) -> Metric | None:
    return None if block is None else Metric(block[:, :-1], block[:, -1], features)


def _class_means(block: Vectors | None) -> ClassMeans | None:
    return None if block is None else ClassMeans(means=block[:, :-1], counts=block[:, -1])


def _held_out(blocks: Mapping[str, Vectors]) -> HeldOut | None:
    if OUT_OF_FOLD in blocks:
        return HeldOut.from_block(blocks[OUT_OF_FOLD])
    former = blocks.get(FORMER_HELD_OUT)
    return None if former is None else HeldOut.from_former_block(former)


def _class_flats(block: Vectors | None) -> Flats | None:
    return None if block is None else Flats(block[:, :-1], np.bincount(block[:, -1].astype(int)))


def _gate(data: Mapping[str, Any] | None, *, n_classes: int) -> Gate | None:
    if data is None:
        return None
    gate = Gate.from_json(data)
    return gate.mended() if n_classes == 2 else gate


def _novelty(
    data: Mapping[str, Any] | None, metric: Metric | None, means: ClassMeans | None
) -> Novelty | None:
    if data is None or metric is None or means is None:
        return None
    return Novelty.from_json(data, metric=metric, means=means.means)
