"""Whether an answer can be trusted: abstention, label sets, novelty.

Shapes: Q queries, C labels.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import NoveltyScore
from classify.answering.opinion import Opinion
from classify.answering.options import QueryOptions
from holotype.errors import NoActiveHead, UsageError
from holotype.references import Vectors

if TYPE_CHECKING:
    from head.versions.head import Head


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say about one answer."""

    abstained: str | None = None
    label_set: tuple[str, ...] | None = None
    novelty: NoveltyScore | None = None


def judge(
    opinion: Opinion,
    vectors: Vectors,
    head: Head | None,
    options: QueryOptions,
    *,
    newer: Collection[str],
) -> list[Verdict]:
    """A verdict on each of Q answers.

    Args:
        opinion: what is answered.
        vectors: (Q, D) unit rows.
        head: the active one, if any.
        options: what was asked.
        newer: labels that the head was not trained on: it cannot tell what is usual for them.

    Raises:
        NoActiveHead: abstention or sets were asked for and no head has calibrated scores.
        UsageError: they were asked for and this way of voting was not calibrated.
    """
    _require_calibration(opinion, head, options)
    novelty = _novelty(vectors, head)
    sets = _label_sets(opinion, options)
    reasons = [
        _reason(opinion, query, novelty[query], options, newer=newer)
        for query in range(len(vectors))
    ]
    return [
        Verdict(abstained=reason, label_set=label_set, novelty=strange)
        for reason, label_set, strange in zip(reasons, sets, novelty, strict=True)
    ]


def _require_calibration(opinion: Opinion, head: Head | None, options: QueryOptions) -> None:
    wanted = [
        name
        for name, value in (("--abstain-at", options.abstain_at), ("--set", options.coverage))
        if value is not None
    ]
    if not wanted or opinion.calibration is not None:
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
    opinion: Opinion,
    query: int,
    novelty: NoveltyScore | None,
    options: QueryOptions,
    *,
    newer: Collection[str],
) -> str | None:
    """Why the answer is "unknown"; None where it is not."""
    if options.abstain_at is None or opinion.calibration is None:
        return None
    best = opinion.ranking[query, 0]
    threshold = opinion.calibration.abstention.below(options.abstain_at)
    if opinion.scores[query, best] < threshold:
        return (
            f"no answer is known to be right {options.abstain_at:.0%} of the time at this score"
            if np.isinf(threshold)
            else f"score {opinion.scores[query, best]:.3f} is below {threshold:.3f}, from where "
            f"{options.abstain_at:.0%} are right"
        )
    if novelty and novelty.unusual and opinion.labels[best] not in newer:
        return "unlike everything in the gallery: perhaps of a class that it does not hold"
    return None


def _label_sets(opinion: Opinion, options: QueryOptions) -> list[tuple[str, ...] | None]:
    if options.coverage is None or opinion.calibration is None:
        return [None] * len(opinion.scores)
    inside = opinion.calibration.label_sets.of(opinion.scores, options.coverage)
    return [
        tuple(opinion.labels[c] for c in order if row[c])
        for order, row in zip(opinion.ranking, inside, strict=True)
    ]
