"""Vectors in, answers out. No torch: the query command, the service and tests share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from classify import knn, linear
from classify.answers import Answer
from classify.modes import MetricName, Mode
from classify.options import QueryOptions
from holotype.errors import EmptyGallery, NoActiveHead
from holotype.references import Vectors, Where

if TYPE_CHECKING:
    from head.metric import Metric
    from head.model import Head
    from holotype.store.port import VectorStore


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be answered now: the labels of the gallery that the filter leaves."""

    counts: Mapping[str, int]
    """References per label, under the filter."""

    @property
    def total(self) -> int:
        """References that the filter leaves."""
        return sum(self.counts.values())


class Classifier:
    """Classifies vectors against one store.

    Labels are read from the store at every call, so that added, renamed and removed classes
    are honoured at once. The active head is loaded when its version changes.
    """

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._head: Head | None = None

    def candidates(self, options: QueryOptions) -> Candidates:
        """What these options can answer; cheap, so it is also the check before a long run.

        Raises:
            UnknownFilterKey: the filter names a key that no reference carries.
            EmptyGallery: there is no reference, or none that the filter leaves.
            NoActiveHead: the mode or the metric takes a head, and nothing was trained.
        """
        counts = self._store.counts("label", where=options.where)
        if not counts:
            raise EmptyGallery(_why_empty(self._store, options.where))
        if options.mode is Mode.LINEAR:
            self.active_head()
        else:
            self._metric(options.metric)
        return Candidates(counts)

    def active_head(self) -> Head:
        """The active head.

        Raises:
            NoActiveHead: nothing was trained yet.
        """
        head = self._head_if_any()
        if head is None:
            raise NoActiveHead(
                f"gallery {self._store.gallery!r} has no trained head: run `retrain`, "
                "or use --mode knn"
            )
        return head

    def _head_if_any(self) -> Head | None:
        """Loaded again only when another version became active."""
        pointer = self._store.active_head()
        if pointer is None:
            return None
        if self._head is None or self._head.version != pointer.version:
            from head import registry

            self._head = registry.load(self._store, pointer.version)
        return self._head

    def _metric(self, wanted: MetricName | None) -> Metric | None:
        """The metric to rank by; None for plain cosine."""
        if wanted is MetricName.COSINE:
            return None
        head = self._head_if_any()
        metric = head.metric if head is not None else None
        if metric is None and wanted is MetricName.LEARNED:
            raise NoActiveHead(
                f"gallery {self._store.gallery!r} has no learned metric: run `retrain`, "
                "or use --metric cosine"
            )
        return metric

    def classify(
        self,
        vectors: Vectors,
        options: QueryOptions,
        *,
        own_ids: Sequence[str | None] | None = None,
    ) -> list[Answer]:
        """Classify queries.

        Args:
            vectors: (Q, D) float32, unit rows.
            options: apply to all of them.
            own_ids: the id that each query has or would have as a reference, where known.

        Returns:
            Q answers, in order.

        Raises:
            UnknownFilterKey, EmptyGallery, NoActiveHead: see `candidates`.
        """
        if len(vectors) == 0:
            return []
        own = list(own_ids) if own_ids is not None else [None] * len(vectors)
        candidates = self.candidates(options)
        answers = (
            self._by_neighbours(vectors, options, candidates, own)
            if options.mode is Mode.KNN
            else linear.answers_from_head(
                self.active_head(), vectors, labels=candidates.counts, options=options
            )
        )
        return self._with_own_labels(answers, own)

    def _by_neighbours(
        self,
        vectors: Vectors,
        options: QueryOptions,
        candidates: Candidates,
        own: Sequence[str | None],
    ) -> list[Answer]:
        metric = self._metric(options.metric)
        wanted = max(options.k, options.rerank) if metric else options.k
        neighbours = self._store.neighbours(
            vectors,
            k=wanted + (1 if options.exclude_self else 0),
            where=options.where,
            with_vectors=metric is not None,
        )
        if options.exclude_self:
            neighbours = [
                [n for n in found if n.reference.id != id_]
                for found, id_ in zip(neighbours, own, strict=True)
            ]
        ranked = (
            knn.by_metric(vectors, neighbours, metric)
            if metric
            else [knn.by_cosine(found) for found in neighbours]
        )
        answers = knn.answers_by_vote(
            [found[: options.k] for found in ranked],
            options,
            metric=MetricName.LEARNED if metric else MetricName.COSINE,
            class_sizes=candidates.counts,
        )
        return [_with_shortage_named(answer, options, candidates) for answer in answers]

    def _with_own_labels(self, answers: list[Answer], own: Sequence[str | None]) -> list[Answer]:
        present = self._store.existing([id_ for id_ in own if id_ is not None])
        return [
            replace(answer, known_as=present.get(id_)) if id_ is not None else answer
            for answer, id_ in zip(answers, own, strict=True)
        ]


def _with_shortage_named(answer: Answer, options: QueryOptions, candidates: Candidates) -> Answer:
    if len(answer.neighbours) >= options.k:
        return answer
    if not answer.neighbours:
        return _noticing(answer, "the only reference to compare with is this very picture")
    matching = "match the filter" if options.where else "are in the gallery"
    return _noticing(
        answer,
        f"k = {options.k}, but only {candidates.total} references {matching}: "
        f"{len(answer.neighbours)} voted",
    )


def _noticing(answer: Answer, notice: str) -> Answer:
    return replace(answer, notices=(*answer.notices, notice))


def _why_empty(store: VectorStore, where: Where) -> str:
    if not where or not (total := store.count()):
        return (
            f"gallery {store.gallery!r} holds no reference: add some with "
            "`ingest add PATH --label X`"
        )
    conditions = ", ".join(f"{c.key}{c.op}{c.value}" for c in where.conditions)
    return (
        f"none of the {total} references in gallery {store.gallery!r} matches {conditions}: "
        "`ingest classes` shows what there is"
    )
