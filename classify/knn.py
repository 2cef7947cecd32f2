"""k-NN: the nearest references vote."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classify.answers import Answer, Evidence, LabelScore
from classify.modes import Mode, Vote
from classify.options import QueryOptions
from holotype.references import Neighbour
from holotype.votes import Codes, Floats, majority_weights, softmax_weights, tally


def answers_from_neighbours(
    neighbours: Sequence[Sequence[Neighbour]], options: QueryOptions
) -> list[Answer]:
    """Let each query's neighbours vote; Q lists in, Q answers out.

    Every list holds at least one neighbour, nearest first.
    """
    labels = sorted({n.reference.label for found in neighbours for n in found})
    similarities, classes = _arrays(neighbours, labels)
    weights = (
        majority_weights(classes)
        if options.vote is Vote.MAJORITY
        else softmax_weights(similarities, classes, temperature=options.temperature)
    )
    votes = tally(weights, similarities, classes, n_classes=len(labels))
    return [
        Answer(
            mode=Mode.KNN,
            scores=_top(shares, order, labels, top=options.top),
            neighbours=tuple(
                Evidence(n.reference, n.similarity, float(w))
                for n, w in zip(found, row, strict=False)
            ),
        )
        for found, row, shares, order in zip(
            neighbours, weights, votes.shares, votes.ranking(), strict=True
        )
    ]


def _arrays(neighbours: Sequence[Sequence[Neighbour]], labels: list[str]) -> tuple[Floats, Codes]:
    """Similarities and classes, (Q, K) each, with class -1 where a list is shorter."""
    code = {label: i for i, label in enumerate(labels)}
    shape = (len(neighbours), max((len(found) for found in neighbours), default=0))
    similarities = np.zeros(shape)
    classes = np.full(shape, -1, dtype=np.intp)
    for row, found in enumerate(neighbours):
        similarities[row, : len(found)] = [n.similarity for n in found]
        classes[row, : len(found)] = [code[n.reference.label] for n in found]
    return similarities, classes


def _top(shares: Floats, order: Codes, labels: list[str], *, top: int) -> tuple[LabelScore, ...]:
    """The best labels that got any vote."""
    return tuple(LabelScore(labels[c], float(shares[c])) for c in order[:top] if shares[c] > 0)
