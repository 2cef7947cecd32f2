"""Vectors in, answers out. No torch: the query command, the service and tests share it.

Shapes: Q queries, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast, overload

from classify.answering import knn, linear, trust
from classify.answering.answers import Answer, Evidence, Part
from classify.answering.class_rows import class_rows
from classify.answering.class_scores import ClassScores
from classify.answering.knn import Classes, Neighbourhood
from classify.answering.modes import MetricName, Mode
from classify.answering.options import QueryOptions
from classify.answering.scoring import Scoring
from classify.answering.snapshot import Snapshot, SnapshotCache
from holotype.errors import EmptyGallery, NoActiveHead, StoreError
from holotype.references import EVERYTHING, Neighbour, Reference, Vectors, Where
from holotype.votes import Weighting

if TYPE_CHECKING:
    from head.fit.whitening import Metric
    from head.versions.head import Head
    from holotype.store.port import VectorStore


class Searched(Protocol):
    """Where neighbours are found. See `holotype.store.port.VectorStore`."""

    @property
    def gallery(self) -> str: ...  # noqa: D102  as in VectorStore
    def get(self, ids: Sequence[str]) -> list[Reference]: ...  # noqa: D102
    def neighbours(  # noqa: D102
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]: ...


class Snapshots(Protocol):
    """What is answered. See `classify.answering.snapshot.SnapshotCache`."""

    def snapshot(self) -> Snapshot: ...  # noqa: D102  as in SnapshotCache
    def classes(self, where: Where) -> Classes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be answered now: the labels of the gallery that the filter leaves."""

    classes: Classes

    @property
    def counts(self) -> Mapping[str, int]:
        """References per label, under the filter."""
        return self.classes.counts

    counted: bool = True
    """Whether that is known; else only neighbours say what can be answered."""

    @property
    def total(self) -> int:
        """References that the filter leaves."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked(Scoring):
    """One call, with everything that all of its answers share.

    The head is one version for all of them, whatever is promoted meanwhile.
    """

    own_ids: Sequence[str | None]
    candidates: Candidates


class Classifier:
    """Classifies vectors against one store. Safe for several threads.

    Classes and head are those of `classify.answering.snapshot`: what was changed through this
    store is honoured at once, what others changed soon. Neighbours are searched for at every call.
    """

    @overload
    def __init__(self, store: VectorStore) -> None: ...
    @overload
    def __init__(self, store: Searched, snapshots: Snapshots) -> None: ...

    def __init__(self, store: Searched, snapshots: Snapshots | None = None) -> None:
        """Classify against a store.

        Args:
            store: where neighbours are found.
            snapshots: its classes and head; None: as the store, a whole one, has them.
        """
        self._store = store
        self._snapshots = snapshots or SnapshotCache(cast("VectorStore", store))

    def snapshot(self) -> Snapshot:
        """The classes and the head that answers are given from now.

        Raises:
            HolotypeError: the store cannot be read.
        """
        return self._snapshots.snapshot()

    def candidates(self, options: QueryOptions) -> Candidates:
        """What these options can answer; cheap, so it is also the check before a long run.

        Raises:
            UnknownFilterKey: the filter names a key that no reference carries.
            EmptyGallery: there is no reference, or none that the filter leaves.
            NoActiveHead: the options take a head, and nothing was trained.
        """
        return self._answerable(self._as_stored(options))[0]

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
            UsageError: calibrated scores were asked for and this way of voting has none.
        """
        if len(vectors) == 0:
            return []
        options = self._as_stored(options)
        own = list(own_ids) if own_ids is not None else [None] * len(vectors)
        candidates, head = self._answerable(options)
        asked = _Asked(
            vectors=vectors,
            options=options,
            counts=candidates.counts,
            head=head,
            own_ids=own,
            candidates=candidates,
        )
        return {Mode.KNN: self._knn, Mode.LINEAR: self._linear, Mode.AUTO: self._auto}[
            options.mode
        ](asked)

    def _as_stored(self, options: QueryOptions) -> QueryOptions:
        """The options with labels in the filter as the gallery spells them."""
        classes = self._snapshots.snapshot().classes if options.where else None
        if classes is None:
            return options
        return replace(options, where=options.where.among(classes.counts))

    def _answerable(self, options: QueryOptions) -> tuple[Candidates, Head | None]:
        """See `candidates`; and the active head."""
        snapshot = self._snapshots.snapshot()
        try:
            candidates = Candidates(self._snapshots.classes(options.where))
        except StoreError:
            if options.mode is Mode.LINEAR:
                raise
            candidates = Candidates(Classes.of({}), counted=False)
        if candidates.counted and not candidates.counts:
            raise EmptyGallery(_why_empty(self._store.gallery, snapshot, options.where))
        head = snapshot.head
        if options.mode is Mode.LINEAR and head is None:
            raise NoActiveHead(
                f"gallery {self._store.gallery!r} has no trained head: run `retrain`, "
                "or use --mode knn"
            )
        if options.mode is not Mode.LINEAR:
            self._metric(head, options.metric)
        return candidates, head

    def _knn(self, asked: _Asked) -> list[Answer]:
        around, voted = self._by_neighbours(asked)
        return [
            _with_shortage_named(answer, asked)
            for answer in self._answers(asked.knn(voted), asked, around=around)
        ]

    def _linear(self, asked: _Asked) -> list[Answer]:
        assert asked.head is not None
        labels = asked.candidates.classes.labels
        class_scores = asked.linear(labels)
        notices = linear.newer_labels_notices(asked.head, labels)
        return self._answers(class_scores, asked, notices=notices)

    def _auto(self, asked: _Asked) -> list[Answer]:
        around, voted = self._by_neighbours(asked)
        class_scores, parts = asked.auto(voted)
        head = asked.head
        if head is not None and parts:
            notices = linear.outdated_notices(head, voted.labels)
        else:
            why = "there is no head" if head is None else f"head {head.version} knows no label here"
            notices = (f"{why}: k-NN answered alone; `retrain` trains one",)
        return self._answers(class_scores, asked, around=around, parts=parts, notices=notices)

    def _by_neighbours(self, asked: _Asked) -> tuple[Neighbourhood, ClassScores]:
        """Search under the filter, rank, vote; calibrated where this way of voting was."""
        options = asked.options
        metric = self._metric(asked.head, options.metric)
        by = MetricName.LEARNED if metric else MetricName.COSINE
        voting, calibration = asked.voting(by)
        kriging = voting.rule.weighting is Weighting.KRIGING
        neighbours = self._store.neighbours(
            asked.vectors,
            k=voting.candidates + (1 if options.exclude_self else 0),
            where=options.where,
            with_vectors=metric is not None or kriging,
        )
        if options.exclude_self:
            neighbours = [
                [n for n in found if n.id != id_]
                for found, id_ in zip(neighbours, asked.own_ids, strict=True)
            ]
        neighbours = [found[: voting.candidates] for found in neighbours]
        if not asked.candidates.counted and not any(neighbours):
            raise EmptyGallery(_why_empty(self._store.gallery, None, options.where))
        ranked = (
            knn.by_metric(asked.vectors, neighbours, metric)
            if metric
            else knn.by_cosine(neighbours, with_places=kriging)
        )
        around = knn.vote(ranked, voting, metric=by, classes=asked.candidates.classes)
        return around, asked.of_votes(around.tally, around.labels, calibration)

    def _metric(self, head: Head | None, wanted: MetricName | None) -> Metric | None:
        """The metric to rank by; None for plain cosine."""
        if wanted is MetricName.COSINE:
            return None
        metric = head.metric if head is not None else None
        if metric is None and wanted is MetricName.LEARNED:
            raise NoActiveHead(
                f"gallery {self._store.gallery!r} has no learned metric: run `retrain`, "
                "or use --metric cosine"
            )
        return metric

    def _answers(
        self,
        class_scores: ClassScores,
        asked: _Asked,
        *,
        around: Neighbourhood | None = None,
        parts: Sequence[ClassScores] = (),
        notices: tuple[str, ...] = (),
    ) -> list[Answer]:
        options, head = asked.options, asked.head
        references = self._references(asked, around)
        at_home = [id_ in references and not options.exclude_self for id_ in asked.own_ids]
        newer = asked.newer(class_scores.labels)
        assessments = trust.assess(
            class_scores, asked.vectors, head, options, newer=newer, in_gallery=at_home
        )
        took_part = (
            class_scores.mode is Mode.LINEAR or bool(parts) or class_scores.calibration is not None
        )
        learned = around is not None and around.metric is MetricName.LEARNED
        version = head.version if head is not None and (took_part or learned) else None
        notices = (*notices, *trust.shortage(head, options))
        answers = []
        shown = around.evidence(options.evidence, references) if around else None
        own_rows = self._class_rows(class_scores, asked, shown) if shown else {}
        for query, (assessment, own_id) in enumerate(zip(assessments, asked.own_ids, strict=True)):
            scores = class_scores.top(query, options.top)
            said = tuple(Part(part.mode, part.top(query, options.top)) for part in parts)
            named = assessment.state != "unknown"
            answers.append(
                Answer(
                    mode=class_scores.mode,
                    state=assessment.state,
                    label=scores[0].label if named else None,
                    score=scores[0].score if scores else None,
                    calibrated=class_scores.calibration is not None,
                    why=assessment.why,
                    runners_up=scores[1:] if named else scores,
                    label_set=assessment.label_set,
                    novelty=assessment.novelty,
                    parts=said,
                    disagrees=len({part.label for part in said}) > 1,
                    neighbours=shown[query] if shown else (),
                    class_neighbours=own_rows.get(query, ()),
                    voted=len(around.voters[query]) if around else 0,
                    metric=around.metric if around else None,
                    head=version,
                    known_as=references[own_id].label if own_id in references else None,
                    notices=notices,
                )
            )
        return answers

    def _class_rows(
        self, class_scores: ClassScores, asked: _Asked, shown: Sequence[Sequence[Evidence]]
    ) -> Mapping[int, tuple[Evidence, ...]]:
        """The nearest of the first label, by query, where none is shown: a search for those."""
        best = [class_scores.top(query, 1) for query in range(len(shown))]
        missing = {
            query: labels[0].label
            for query, (labels, row) in enumerate(zip(best, shown, strict=True))
            if labels and row and all(one.label != labels[0].label for one in row)
        }
        return class_rows(
            self._store,
            asked.vectors,
            missing,
            options=asked.options,
            metric=self._metric(asked.head, asked.options.metric),
            own_ids=asked.own_ids,
        )

    def _references(self, asked: _Asked, around: Neighbourhood | None) -> dict[str, Reference]:
        """By id, what answers show: their evidence, and the queries that are references."""
        shown = around.shown(asked.options.evidence) if around else []
        own = [id_ for id_ in asked.own_ids if id_ is not None]
        wanted = list(dict.fromkeys([*shown, *own]))
        return {r.id: r for r in self._store.get(wanted)} if wanted else {}


def _with_shortage_named(answer: Answer, asked: _Asked) -> Answer:
    k = asked.options.k
    if not answer.voted:
        notice = "the only reference to compare with is this very picture"
    elif k is not None and answer.voted < k:
        matching = "match the filter" if asked.options.where else "are in the gallery"
        total = asked.candidates.total
        few = f"only {total} references {matching}" if total < k else "the store gives no more"
        notice = f"k = {k}, but {few}: {answer.voted} voted"
    else:
        return answer
    return replace(answer, notices=(*answer.notices, notice))


def _why_empty(gallery: str, snapshot: Snapshot | None, where: Where) -> str:
    total = sum(snapshot.classes.counts.values()) if snapshot and snapshot.classes else None
    if not where or total == 0:
        return f"gallery {gallery!r} holds no reference: add some with `ingest add PATH --label X`"
    conditions = ", ".join(f"{c.key}{c.op}{c.value}" for c in where.conditions)
    of = "no reference" if total is None else f"none of the {total} references"
    return f"{of} in gallery {gallery!r} matches {conditions}: `ingest classes` shows what there is"
