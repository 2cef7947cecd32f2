"""The linear mode: the active head's probabilities, for labels that exist now."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from classify.answers import Answer, LabelScore
from classify.modes import Mode
from classify.options import QueryOptions
from holotype.errors import NoActiveHead
from holotype.references import Vectors

if TYPE_CHECKING:
    from head.model import Head

NAMED_AT_MOST = 5
"""Labels that a notice spells out."""


def answers_from_head(
    head: Head, vectors: Vectors, *, labels: Collection[str], options: QueryOptions
) -> list[Answer]:
    """Classify (Q, D) unit rows with a head.

    Only `labels` (those in the gallery now, under the filter) are answered: the others'
    probability is shared out in proportion. Labels that the head does not know are named in
    a notice.

    Raises:
        NoActiveHead: the head knows none of these labels.
    """
    known = np.array([label in labels for label in head.labels])
    if not known.any():
        raise NoActiveHead(
            f"head {head.version} was trained on none of the labels that can be answered now "
            f"({spelled(sorted(labels))}): run `retrain`"
        )
    probabilities = np.where(known, head.probabilities(vectors), 0.0)
    probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    notices = _notices(head, labels)
    return [
        Answer(
            mode=Mode.LINEAR,
            scores=tuple(
                LabelScore(head.labels[c], float(row[c]))
                for c in np.argsort(-row, kind="stable")[: options.top]
                if known[c]
            ),
            head=head.version,
            notices=notices,
        )
        for row in probabilities
    ]


def _notices(head: Head, labels: Collection[str]) -> tuple[str, ...]:
    newer = sorted(set(labels) - set(head.labels))
    if not newer:
        return ()
    return (
        f"head {head.version} does not know {spelled(newer)}, added since it was trained: "
        "run `retrain`, or use --mode knn",
    )


def spelled(labels: list[str]) -> str:
    """The first few labels, quoted, and how many more there are."""
    shown = ", ".join(repr(label) for label in labels[:NAMED_AT_MOST])
    more = len(labels) - NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown
