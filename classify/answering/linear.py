"""The linear mode: the active head's probabilities, for labels that exist now.

Shapes: Q queries, C labels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.class_scores import ClassScores
from classify.answering.modes import Mode
from classify.answering.pooling import shared
from holotype.errors import NoActiveHead
from holotype.references import Vectors

if TYPE_CHECKING:
    from head.versions.head import Head

NAMED_AT_MOST = 5
"""Labels that a notice spells out."""


def head_scores(head: Head, vectors: Vectors, *, labels: Sequence[str]) -> ClassScores:
    """What a head thinks of (Q, D) unit rows.

    Only `labels` (those in the gallery now, under the filter) are answered: the probability of
    others is shared out in proportion, labels that the head does not know get none.

    Raises:
        NoActiveHead: the head knows none of these labels.
    """
    column = {label: c for c, label in enumerate(head.labels)}
    known = [label for label in labels if label in column]
    if not known:
        raise NoActiveHead(
            f"head {head.version} was trained on none of the labels that can be answered now "
            f"({spelled(sorted(labels))}): run `retrain`"
        )
    said = shared(head.probabilities(vectors)[:, [column[label] for label in known]])
    scores = np.zeros((len(vectors), len(labels)))
    place = {label: c for c, label in enumerate(labels)}
    scores[:, [place[label] for label in known]] = said
    calibration = head.calibration.get(Mode.LINEAR)
    return ClassScores.by_score(Mode.LINEAR, tuple(labels), scores, calibration=calibration)


def newer_labels_notices(head: Head, labels: Sequence[str]) -> tuple[str, ...]:
    """Names the labels that were added since the head was trained, or given to other references."""
    trained = set(head.record.labels)
    derived = sorted(head.provisional.intersection(labels) - trained)
    unknown = sorted(set(labels) - set(head.labels))
    notices = [*outdated_notices(head, labels)]
    if derived:
        notices.append(
            f"head {head.version} knows {spelled(derived)}, added since it was trained, by the "
            "mean of their references alone: `retrain` makes that permanent"
        )
    if unknown:
        notices.append(
            f"head {head.version} does not know {spelled(unknown)}, added since it was trained: "
            "run `retrain`, or use --mode knn"
        )
    return tuple(notices)


def outdated_notices(head: Head, labels: Sequence[str]) -> tuple[str, ...]:
    """Names the labels that other references carry now than the head was trained on."""
    outdated = sorted(head.outdated.intersection(labels))
    if not outdated:
        return ()
    return (
        f"head {head.version} was trained on other references than carry {spelled(outdated)} now: "
        "they are answered by the mean of today's alone, until the next `retrain`",
    )


def spelled(labels: list[str]) -> str:
    """The first few labels, quoted, and how many more there are."""
    shown = ", ".join(repr(label) for label in labels[:NAMED_AT_MOST])
    more = len(labels) - NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown
