"""Evaluation without images: every reference is classified from the others.

Shapes: N references, M classified, R others each, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.modes import MetricName, Mode
from classify.evaluation.cross_validated import cross_validate
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
from holotype.errors import TooFewReferences
from holotype.knn import Knn, nearest
from holotype.references import Codes
from holotype.votes import Voting

if TYPE_CHECKING:
    from classify.answering.options import QueryOptions
    from holotype.store.port import VectorStore


@dataclass(frozen=True, slots=True, eq=False)
class _Classified:
    """Predictions of every mode for some rows of the gallery."""

    rows: Codes
    """(M,)."""
    predictions: Mapping[Mode, Predictions]


def evaluate_leave_one_out(
    store: VectorStore,
    *,
    options: QueryOptions,
    near_duplicate: float,
    subject: Subject,
    say: Callable[[str], None],
) -> tuple[Evaluation, GalleryArrays]:
    """Classify every reference from those that are independent of it.

    In every mode, with what is learned learned out of fold; by plain cosine alone where that
    was asked for or there is nothing to learn from. A class that would be gone without the
    reference (one group only) cannot be answered: its references count as being of an absent
    class.

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
    classified = _classify(gallery, options, say)
    mistakes, shown = {}, set()
    for mode, predictions in classified.predictions.items():
        exhibits = _exhibits(store, gallery, classified.rows, predictions)
        mistakes[mode] = exhibits
        shown |= {n.id for exhibit in exhibits for n in exhibit.neighbours}
    evaluation = Evaluation(
        subject=subject,
        names=[gallery.ids[row] for row in classified.rows],
        near_duplicate=np.zeros(len(classified.rows), dtype=bool),
        predictions=classified.predictions,
        mistakes=mistakes,
        absent=_absent(gallery),
        notices=_notices(gallery, near_duplicate),
        thumbnails=store.thumbnails(sorted(shown)),
    )
    return evaluation, gallery


def _classify(
    gallery: GalleryArrays, options: QueryOptions, say: Callable[[str], None]
) -> _Classified:
    if options.metric is not MetricName.COSINE and len(gallery.labels) > 1:
        learned = options.voting(MetricName.LEARNED)
        found = cross_validate(gallery, learned, say=say)
        if found is not None:
            return _Classified(found.rows, found.predictions)
        say("nothing can be learned out of fold: k-NN by plain cosine")
    predictions = _by_cosine(gallery, options.voting(MetricName.COSINE))
    return _Classified(np.arange(len(gallery)), {Mode.KNN: predictions})


def _by_cosine(gallery: GalleryArrays, voting: Voting) -> Predictions:
    everyone = Knn(
        vectors=gallery.vectors,
        classes=gallery.classes,
        n_classes=len(gallery.labels),
        voting=voting,
        groups=gallery.independent,
    )
    tallies = list(everyone.tallies(gallery.vectors, groups=gallery.independent))
    return Predictions(
        labels=gallery.labels,
        truth=np.where(gallery.answerable, gallery.classes, ABSENT),
        scores=np.concatenate([tally.shares for tally in tallies]),
        ranking=np.concatenate([tally.ranking() for tally in tallies]),
    )


def _exhibits(
    store: VectorStore, gallery: GalleryArrays, rows: Codes, predictions: Predictions
) -> list[Exhibit]:
    """The most confident mistakes, with the nearest references that could have voted."""
    wrong = np.flatnonzero((predictions.truth != ABSENT) & ~predictions.correct)
    order = np.argsort(-predictions.confidence[wrong], kind="stable")
    worst: list[int] = wrong[order][:SHOWN_MISTAKES].tolist()
    theirs = rows[worst]
    found = nearest(
        gallery.vectors[theirs],
        gallery.vectors,
        r=SHOWN_NEIGHBOURS,
        groups=(gallery.independent[theirs], gallery.independent),
    )
    shown: dict[int, list[int]] = {
        i: [row for row in near if row >= 0]
        for i, near in zip(worst, found.rows.tolist(), strict=True)
    }
    ids = {gallery.ids[row] for i in worst for row in (int(rows[i]), *shown[i])}
    sources = {reference.id: reference.source for reference in store.get(sorted(ids))}
    own = store.thumbnails([gallery.ids[rows[i]] for i in worst])
    return [
        Exhibit(
            id=gallery.ids[rows[i]],
            name=sources.get(gallery.ids[rows[i]], gallery.ids[rows[i]]),
            truth=gallery.labels[gallery.classes[rows[i]]],
            answered=gallery.labels[predictions.predicted[i]],
            score=float(predictions.confidence[i]),
            neighbours=tuple(
                Shown(
                    id=gallery.ids[row],
                    label=gallery.labels[gallery.classes[row]],
                    similarity=float(gallery.vectors[row] @ gallery.vectors[rows[i]]),
                    source=sources.get(gallery.ids[row], gallery.ids[row]),
                )
                for row in shown[i]
            ),
            thumbnail=own.get(gallery.ids[rows[i]]),
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
