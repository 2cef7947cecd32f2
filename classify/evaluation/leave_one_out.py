"""Evaluation without images: every reference is classified from the others.

Shapes: N references, R others each, C classes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from classify.evaluation.evaluation import (
    SHOWN_MISTAKES,
    SHOWN_NEIGHBOURS,
    Evaluation,
    Exhibit,
    Shown,
    Subject,
)
from classify.evaluation.gallery import GalleryArrays, export_gallery
from classify.evaluation.predictions import ABSENT, Predictions
from classify.modes import MetricName, Mode
from holotype.errors import TooFewReferences
from holotype.leave_one_out import Others, nearest_others
from holotype.votes import Codes, Tally

if TYPE_CHECKING:
    from classify.options import QueryOptions, Voting
    from holotype.store.port import VectorStore


def evaluate_leave_one_out(
    store: VectorStore, *, options: QueryOptions, near_duplicate: float, subject: Subject
) -> tuple[Evaluation, GalleryArrays]:
    """Classify every reference from those that are independent of it.

    A class that would be gone without the reference (one group only) cannot be answered: its
    references count as being of an absent class.

    Returns:
        The evaluation, and the arrays that it was made from.

    Raises:
        TooFewReferences: no class has two independent references.
    """
    gallery = export_gallery(store, where=options.where, near_duplicate=near_duplicate)
    if not gallery.answerable.any():
        raise TooFewReferences(
            f"no class of gallery {store.gallery!r} has two references that are independent of "
            "each other: there is nothing to evaluate"
        )
    voting = options.voting(MetricName.COSINE)
    others = nearest_others(
        gallery.vectors, gallery.groups, r=voting.k, near_duplicate=near_duplicate
    )
    votes = _vote(gallery, others, voting)
    predictions = _predictions(gallery, votes)
    worst = _worst(predictions)
    return (
        Evaluation(
            subject=subject,
            names=gallery.ids,
            near_duplicate=np.zeros(len(gallery), dtype=bool),
            predictions={Mode.KNN: predictions},
            mistakes={Mode.KNN: _exhibits(store, gallery, predictions, others, worst)},
            absent=_absent(gallery),
            notices=_notices(gallery, near_duplicate),
            thumbnails=store.thumbnails(
                sorted({gallery.ids[row] for row in others.rows[worst].ravel() if row >= 0})
            ),
        ),
        gallery,
    )


def _vote(gallery: GalleryArrays, others: Others, voting: Voting) -> Tally:
    # Row -1 (nobody there) would index the last class: keep it marked.
    classes: Codes = np.where(others.rows >= 0, gallery.classes[others.rows], -1)
    similarities = np.where(others.rows >= 0, others.similarities, 0.0)
    sizes = np.bincount(gallery.classes, minlength=len(gallery.labels)).astype(np.float64)
    return voting.rule.cast(similarities, classes, class_sizes=sizes)


def _predictions(gallery: GalleryArrays, votes: Tally) -> Predictions:
    return Predictions(
        labels=gallery.labels,
        truth=np.where(gallery.answerable, gallery.classes, ABSENT),
        scores=votes.shares,
        ranking=votes.ranking(),
    )


def _worst(predictions: Predictions) -> list[int]:
    """Rows of the most confident mistakes, worst first."""
    wrong = np.flatnonzero((predictions.truth != ABSENT) & ~predictions.correct)
    order = np.argsort(-predictions.confidence[wrong], kind="stable")
    chosen: list[int] = wrong[order][:SHOWN_MISTAKES].tolist()
    return chosen


def _exhibits(
    store: VectorStore,
    gallery: GalleryArrays,
    predictions: Predictions,
    others: Others,
    worst: list[int],
) -> list[Exhibit]:
    ids = {gallery.ids[row] for i in worst for row in (i, *others.rows[i]) if row >= 0}
    sources = {reference.id: reference.source for reference in store.get(sorted(ids))}
    own = store.thumbnails([gallery.ids[i] for i in worst])
    return [
        Exhibit(
            name=sources.get(gallery.ids[i], gallery.ids[i]),
            truth=gallery.labels[gallery.classes[i]],
            answered=gallery.labels[predictions.predicted[i]],
            score=float(predictions.confidence[i]),
            neighbours=tuple(
                Shown(
                    gallery.ids[row],
                    gallery.labels[gallery.classes[row]],
                    float(similarity),
                    sources.get(gallery.ids[row], gallery.ids[row]),
                )
                for row, similarity in zip(
                    others.rows[i, :SHOWN_NEIGHBOURS].tolist(),
                    others.similarities[i].tolist(),
                    strict=False,
                )
                if row >= 0
            ),
            thumbnail=own.get(gallery.ids[i]),
        )
        for i in worst
    ]


def _absent(gallery: GalleryArrays) -> dict[str, int]:
    classes = gallery.classes[~gallery.answerable]
    return dict(Counter(gallery.labels[c] for c in classes.tolist()))


def _notices(gallery: GalleryArrays, near_duplicate: float) -> list[str]:
    joined = len(np.unique(gallery.groups)) - len(np.unique(gallery.independent))
    if not joined:
        return []
    return [
        f"near-duplicates (cosine above {near_duplicate:g}) joined {joined} groups or references "
        "to others: none of them voted for each other"
    ]
