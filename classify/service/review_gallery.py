"""What the gallery has to do with queries in doubt: which of them it holds, what they may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from classify.answering.answers import Answer, Evidence
from classify.answering.class_rows import class_rows
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from holotype.references import reference_id

if TYPE_CHECKING:
    from classify.answering.snapshot import Snapshot
    from classify.service.classification import SearchRequest
    from holotype.review_queue import ReviewQueue
    from holotype.store.port import VectorStore

CANDIDATES: Final = 5
"""Classes that a person chooses from: a key of the page for each."""

OPTIONS: Final = QueryOptions(mode=Mode.AUTO, top=CANDIDATES, exclude_self=True)
"""A picture that is in the gallery already is no reason for its own label."""

PIECE = 1000
"""Queries that are looked up in the gallery at once."""


class ReviewedElsewhere:
    """Drops queries whose pictures were added, or relabelled, since they were kept.

    By this service, or by another program: each change of the gallery is looked at once.
    """

    def __init__(self, queue: ReviewQueue, store: VectorStore) -> None:
        self._queue = queue
        self._store = store
        self._seen = 0

    def drop(self) -> None:
        """Have them leave the queue.

        Raises:
            ReviewUnusable, StoreError: queue or gallery cannot be read.
        """
        last = self._store.last_change()
        if not self._queue.limit or last == self._seen:
            return
        times = self._queue.times()
        for ids in _pieces(list(times)):
            own = {reference_id(id_): id_ for id_ in ids}
            held = self._store.get(list(self._store.existing(list(own))))
            changed = [own[one.id] for one in held if one.changed_at > _us(times[own[one.id]])]
            self._queue.forget(changed)
        self._seen = last


def labels_of(store: VectorStore, ids: Sequence[str]) -> dict[str, str]:
    """The label under which the gallery holds each of these pictures, by sha256; absent: none.

    Raises:
        StoreError: the gallery cannot be read.
    """
    if not ids:
        return {}
    own = {reference_id(id_): id_ for id_ in ids}
    return {own[id_]: label for id_, label in store.existing(list(own)).items()}


def nearest_of_each(
    store: VectorStore, snapshot: Snapshot, search: SearchRequest, answer: Answer
) -> list[tuple[Evidence, ...]]:
    """The nearest references of every class that an answer names, in its order.

    Args:
        store: where they are.
        snapshot: whose metric ranks them.
        search: one query.
        answer: to it.

    Raises:
        StoreError: the store cannot be searched.
    """
    labels = {row: one.label for row, one in enumerate(answer.scores)}
    found = class_rows(
        store,
        np.repeat(search.vectors, len(labels), axis=0),
        labels,
        options=search.options,
        metric=None if snapshot.head is None else snapshot.head.metric,
        own_ids=search.own_ids * len(labels),
    )
    return [found[row] for row in labels]


def _pieces(ids: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while piece := list(islice(rest, PIECE)):
        yield piece


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6)
