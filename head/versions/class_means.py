"""A head for the labels of today, whatever the gallery was when it was trained.

A class is answered from the mean of the references that it has today, without a row, where

- it came after the head was trained;
- it was trained, but on other references than carry its label now (exchanged labels, a name used
  again): fewer than half of them are still those;
- it was trained on so few, where others have many, that its row would hardly ever answer.

The head's gate says how probable such newcomers are (`head.trust.gate`). What is left is divided
among the known classes as the trained layer says. So a class is met the same way before and
after a retrain, until it has grown.

A head of before there was a gate takes LDA's posterior over all classes with the stored
covariance instead: exact for a head that is LDA, and too rarely in favour of a class of few.

A label that is gone is answered no more, and the others share out its probability. A label that
was renamed, or exchanged with another, is recognised by its count and its mean, and keeps its
trained row.

Shapes: C classes of the head, P newcomers, D dimensions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from head.fit.lda import discriminant_rows
from head.trust.flats import Flats, spanned
from head.trust.gate import Gated, Landmarks
from head.versions.head import ClassMeans, Head, Newcomers
from holotype.references import Floats, Vectors

SAME_MEAN = 1e-4
"""Distance of class means below which two labels are one class renamed."""

FEW = 10
"""References of a class that is answered from their mean where others have twice as many, at
most: as many as the gate was rehearsed with."""

GONE = ""
"""Stands for the label of a row that no label of today is about."""


@dataclass(frozen=True, slots=True, eq=False)
class NewClass:
    """A label that is answered from the mean of its references."""

    label: str
    mean: Floats
    """(D,) after the head's feature map."""
    count: int
    flat: Vectors | None = None
    """(R, D) what some of its references span (`head.trust.flats`); None where none are known."""

    @property
    def key(self) -> tuple[str, int, float]:
        """Differs where anything does."""
        return self.label, self.count, float(self.mean @ np.arange(1, len(self.mean) + 1))


def newer(head: Head, counts: Mapping[str, int], touched: Mapping[str, int]) -> dict[str, int]:
    """Those of a gallery's classes that are answered from today's references, with their counts.

    A head without a metric cannot answer new classes.

    Args:
        head: as it was trained.
        counts: the gallery's references per label.
        touched: how many of them were added or changed since; labels without may be missing.
    """
    if head.metric is None or head.class_means is None:
        return {}
    trained = dict(zip(head.trained_labels, head.class_means.counts.tolist(), strict=True))
    small = young(head)
    return {
        label: n
        for label, n in counts.items()
        if label not in trained
        or 2 * (n - touched.get(label, 0)) < max(n, trained[label])
        or (label in small and n != trained[label])
    }


def young(head: Head) -> frozenset[str]:
    """Trained labels of a head with a gate that had few references, where others had many."""
    if head.gate is None or head.class_means is None:
        return frozenset()
    counts = head.class_means.counts
    few = (counts <= FEW) & (2 * counts <= np.median(counts))
    return frozenset(head.trained_labels[i] for i in np.flatnonzero(few))


def extend(head: Head, counts: Mapping[str, int], new: Sequence[NewClass]) -> Head:
    """The head for the labels that the gallery holds now, and no other.

    Args:
        head: as it was trained.
        counts: the gallery's references per label.
        new: what is known of those that are `newer` (see `head.versions.newer_classes`).
    """
    trained, small = head.trained_labels, young(head)
    head, rest = _renamed(head, new, counts)
    if head.class_means is not None:
        means, sizes = head.class_means.means, head.class_means.counts
        flats = head.class_flats.split() if head.class_flats else [None] * len(means)
        rows = zip(trained, head.trained_labels, means, sizes, flats, strict=True)
        rest += [
            NewClass(label, mean.astype(np.float64), int(count), flat)
            for before, label, mean, count, flat in rows
            if before in small and label in counts
        ]
    of_today = {one.label for one in rest}
    outdated = frozenset(of_today.intersection(trained) - small)
    return replace(with_classes(keep(head, counts.keys() - of_today), rest), outdated=outdated)


def keep(head: Head, labels: Collection[str]) -> Head:
    """The trained rows of these labels alone; the head itself where that leaves none."""
    kept = [i for i, label in enumerate(head.trained_labels) if label in labels]
    if not kept:
        return head
    means, flats, novelty = head.class_means, head.class_flats, head.novelty
    if flats is not None:
        each = flats.split()
        flats = Flats.joined([each[i] for i in kept])
    if means is not None:
        means = ClassMeans(means.means[kept], means.counts[kept])
        novelty = None if novelty is None else replace(novelty, means=means.means)
    return replace(
        head,
        labels=tuple(head.trained_labels[i] for i in kept),
        weights=head.weights[kept],
        bias=head.bias[kept],
        class_means=means,
        class_flats=flats,
        novelty=novelty,
        newcomers=None,
    )


def with_classes(head: Head, new: Sequence[NewClass]) -> Head:
    """The head with these new classes, in place of any that it had before."""
    added = [one for one in new if one.label not in head.trained_labels and one.count]
    if not added or head.metric is None or head.class_means is None:
        return replace(head, labels=head.trained_labels, newcomers=None)
    means = np.vstack([head.class_means.means, *(one.mean[None] for one in added)])
    return replace(
        head,
        labels=(*head.trained_labels, *(one.label for one in added)),
        newcomers=_gated(head, added) if head.gate else _by_lda(head, means, added),
        novelty=None
        if head.novelty is None
        else replace(head.novelty, means=means.astype(np.float32)),
    )


def _gated(head: Head, added: Sequence[NewClass]) -> Gated:
    assert head.gate is not None
    assert head.metric is not None
    assert head.class_means is not None
    means = np.stack([one.mean for one in added])
    flats = head.class_flats and Flats.joined(
        [spanned(one.mean[None]) if one.flat is None else one.flat for one in added]
    )
    return Gated(
        gate=head.gate,
        metric=head.metric,
        known=Landmarks.of(head.metric, head.class_means.means, head.class_flats),
        newcomers=Landmarks.of(head.metric, means, flats),
        counts=np.array([one.count for one in added], dtype=np.float64),
    )


def _by_lda(head: Head, means: Floats, added: Sequence[NewClass]) -> Newcomers:
    assert head.metric is not None
    assert head.class_means is not None
    layer = discriminant_rows(
        head.metric.matrix.astype(np.float64),
        means=means,
        counts=np.concatenate([head.class_means.counts, [one.count for one in added]]),
        reference=head.metric.centre.astype(np.float64),
    )
    return Newcomers(len(added), layer, temperature=head.lda_temperature)


def _renamed(
    head: Head, new: Sequence[NewClass], counts: Mapping[str, int]
) -> tuple[Head, list[NewClass]]:
    """The head with the label that each trained row bears now, and who is left without a row."""
    left = {one.label: one for one in new}
    settled = counts.keys() - left.keys()
    if head.class_means is None:
        return head, list(new)
    labels = list(head.trained_labels)
    for i, label in enumerate(head.trained_labels):
        if label in settled:
            continue
        count, mean = int(head.class_means.counts[i]), head.class_means.means[i]
        same = [one for one in left.values() if one.count == count]
        same = [one for one in same if np.linalg.norm(one.mean - mean) < SAME_MEAN]
        labels[i] = same[0].label if same else GONE
        left.pop(labels[i], None)
    return replace(head, labels=(*labels, *head.labels[len(labels) :])), list(left.values())
