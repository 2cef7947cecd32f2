"""Whether an answer can be trusted: abstention, label sets, novelty.

Shapes: Q queries, C labels.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import NoveltyScore
from classify.answering.class_scores import ClassScores
from classify.answering.options import QueryOptions
from holotype.errors import NoActiveHead, UsageError
from holotype.references import Vectors

if TYPE_CHECKING:
    from head.versions.head import Head


@dataclass(frozen=True, slots=True)
class Assessment:
    """What there is to say about one answer."""

    abstained: str | None = None
    label_set: tuple[str, ...] | None = None
    novelty: NoveltyScore | None = None


def assess(
    class_scores: ClassScores,
    vectors: Vectors,
    head: Head | None,
    options: QueryOptions,
    *,
    newer: Collection[str],
) -> list[Assessment]:
    """An assessment on each of Q answers.

    Args:
        class_scores: what is answered.
        vectors: (Q, D) unit rows.
        head: the active one, if any.
        options: what was asked.
        newer: labels that the head was not trained on: it cannot tell what is usual for them.

    Raises:
        NoActiveHead: abstention or sets were asked for and no head has calibrated scores.
        UsageError: they were asked for and this way of voting was not calibrated.
    """
    _require_calibration(class_scores, head, options)
    novelty = _novelty(vectors, head)
    sets = _label_sets(class_scores, options)
    reasons = [
        _reason(class_scores, query, novelty[query], options, newer=newer)
        for query in range(len(vectors))
    ]
    return [
        Assessment(abstained=reason, label_set=label_set, novelty=strange)
        for reason, label_set, strange in zip(reasons, sets, novelty, strict=True)
    ]


def _require_calibration(
    class_scores: ClassScores, head: Head | None, options: QueryOptions
) -> None:
    wanted = [
        name
        for name, value in (("--abstain-at", options.abstain_at), ("--set", options.coverage))
        if value is not None
    ]
    if not wanted or class_scores.calibration is not None:
        return
    if head is None or not head.calibration:
        raise NoActiveHead(
            f"{wanted[0]} takes calibrated scores, which a trained head brings: run `retrain`"
        )
    raise UsageError(
        f"{wanted[0]} takes calibrated scores, and this way of voting was not calibrated: leave "
        "--k, --metric, --rerank, --vote, --class-cap and --balance at their defaults"
    )


def _novelty(vectors: Vectors, head: Head | None) -> list[NoveltyScore | None]:
    if head is None or head.novelty is None:
        return [None] * len(vectors)
    scores = head.novelty.score(vectors)
    unusual = head.novelty.is_unknown(scores)
    return [NoveltyScore(float(s), bool(u)) for s, u in zip(scores, unusual, strict=True)]


def _reason(
    class_scores: ClassScores,
    query: int,
    novelty: NoveltyScore | None,
    options: QueryOptions,
    *,
    newer: Collection[str],
) -> str | None:
    """Why the answer is "unknown"; None where it is not."""
    if options.abstain_at is None or class_scores.calibration is None:
        return None
    best = class_scores.ranking[query, 0]
    threshold = class_scores.calibration.abstention.below(options.abstain_at)
    if class_scores.scores[query, best] < threshold:
        return (
            f"no answer is known to be right {options.abstain_at:.0%} of the time at this score"
            if np.isinf(threshold)
            else f"score {class_scores.scores[query, best]:.3f} is below {threshold:.3f}, "
            f"from where {options.abstain_at:.0%} are right"
        )
    if novelty and novelty.unusual and class_scores.labels[best] not in newer:
        return "unlike everything in the gallery: perhaps of a class that it does not hold"
    return None


def _label_sets(class_scores: ClassScores, options: QueryOptions) -> list[tuple[str, ...] | None]:
    if options.coverage is None or class_scores.calibration is None:
        return [None] * len(class_scores.scores)
    inside = class_scores.calibration.label_sets.of(class_scores.scores, options.coverage)
    return [
        tuple(class_scores.labels[c] for c in order if row[c])
        for order, row in zip(class_scores.ranking, inside, strict=True)
    ]
