"""Whether an answer can be trusted: its state, label sets, novelty.

Shapes: Q queries, C labels.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import NoveltyScore, State
from classify.answering.class_scores import ClassScores
from classify.answering.options import QueryOptions
from holotype.errors import NoActiveHead, UsageError
from holotype.references import Vectors

if TYPE_CHECKING:
    from head.trust.calibration import Calibration
    from head.versions.head import Head


LEAST_SURE = 0.5
"""Calibrated score below which an answer is unsure: it is more probably wrong than right."""

ROUNDING = 1e-9
"""What 0.99 / 0.01 is above 99."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What there is to say about one answer."""

    state: State
    why: str | None = None
    label_set: tuple[str, ...] | None = None
    novelty: NoveltyScore | None = None


def assess(
    class_scores: ClassScores,
    vectors: Vectors,
    head: Head | None,
    options: QueryOptions,
    *,
    newer: Collection[str],
    in_gallery: Sequence[bool],
) -> list[Assessment]:
    """An assessment on each of Q answers.

    Args:
        class_scores: what is answered.
        vectors: (Q, D) unit rows.
        head: the active one, if any.
        options: what was asked.
        newer: labels that the head was not trained on: it cannot tell what is usual for them.
        in_gallery: (Q,) whether a query is one of the references: then it is no stranger.

    Raises:
        NoActiveHead: right answers or sets of a share were asked for, and there is no head.
        UsageError: they were asked for, and this way of voting was not calibrated.
    """
    _require_calibration(class_scores, head, options)
    novelty = _novelty(vectors, head)
    sets = _label_sets(class_scores, options)
    assessments = []
    for query, best in enumerate(class_scores.ranking[:, 0]):
        score = float(class_scores.scores[query, best])
        known = in_gallery[query] or class_scores.labels[best] in newer
        strange = None if known else novelty[query]
        if why := _unknown(score, strange, options):
            assessments.append(Assessment("unknown", why, novelty=novelty[query]))
            continue
        why = _unsure(score, class_scores.calibration, options)
        state: State = "unsure" if why else "answered"
        assessments.append(Assessment(state, why, sets[query], novelty[query]))
    return assessments


def shortage(head: Head | None, options: QueryOptions) -> tuple[str, ...]:
    """A notice where the head has seen too few references to tell who is a stranger."""
    share = options.unknown_at
    if head is None or head.novelty is None or share >= 1 or head.novelty.tells(share):
        return ()
    return (
        f"no query is called unknown: to tell what is stranger than {100 * share:.3g}% of the "
        f"references, {math.ceil(share / (1 - share) - ROUNDING)} of them have to be tested by "
        "`retrain`",
    )


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
    shares = head.novelty.stranger_than(scores)
    return [NoveltyScore(float(s), float(u)) for s, u in zip(scores, shares, strict=True)]


def _unknown(score: float, novelty: NoveltyScore | None, options: QueryOptions) -> str | None:
    """Why the answer is unknown; None where it is not."""
    if score <= 0:
        return "there is nothing to compare it with"
    if novelty is None or novelty.stranger_than < options.unknown_at:
        return None
    return f"stranger than {100 * novelty.stranger_than:.3g}% of the gallery's own references"


def _unsure(score: float, calibration: Calibration | None, options: QueryOptions) -> str | None:
    """Why the answer is unsure; None where it is not, or where that cannot be told."""
    if calibration is None:
        return None
    if options.abstain_at is None:
        return f"its probability is below {LEAST_SURE}" if score < LEAST_SURE else None
    threshold = calibration.abstention.below(options.abstain_at)
    if score >= threshold:
        return None
    return (
        f"no answer is known to be right {options.abstain_at:.0%} of the time at this score"
        if np.isinf(threshold)
        else f"its probability is below {threshold:.3f}, from where {options.abstain_at:.0%} are "
        "right"
    )


def _label_sets(class_scores: ClassScores, options: QueryOptions) -> list[tuple[str, ...] | None]:
    if options.coverage is None or class_scores.calibration is None:
        return [None] * len(class_scores.scores)
    inside = class_scores.calibration.label_sets.of(class_scores.scores, options.coverage)
    return [
        tuple(class_scores.labels[c] for c in order if row[c])
        for order, row in zip(class_scores.ranking, inside, strict=True)
    ]
