"""Finding, counting and exporting references, over the points of either engine.

How they are changed is in `holotype.store.writing`.
"""

# ruff: noqa: D102  as in VectorStore

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np

from holotype.errors import StoreMoved
from holotype.references import (
    EVERYTHING,
    EmbeddedReference,
    Neighbour,
    Reference,
    VectorBatch,
    Vectors,
    Where,
)
from holotype.store.changes import ChangeClock
from holotype.store.export import batches
from holotype.store.facet_counts import in_order
from holotype.store.integrity import LABEL_INDEX, check_index, check_whole
from holotype.store.known_counts import KnownCounts
from holotype.store.payload import (
    CHANGED_AT,
    EXPORTED_KEYS,
    KEYWORD_KEYS,
    THUMBNAIL,
    VOTING_KEYS,
    from_payload,
    meta_keys,
    thumbnail_of,
)
from holotype.store.points import (
    POINTS_PER_CALL,
    Matching,
    Points,
    Record,
    ScoredRecord,
    Without,
    chunks,
)
from holotype.store.port import Damage, GalleryState, Page, VectorStore
from holotype.store.validate import (
    check_keys,
    check_meta_keys,
    check_query,
    check_selection,
    valid_ids,
)
from holotype.store.watchers import Change, Watcher, Watchers

THUMBNAILS_PER_CALL: Final = 200

_LISTED: Final = Without(THUMBNAIL)

LEFT_OVER: Final = "what an earlier failure left over"
"""Each replica applies a filter to what it has itself. Pages of ids come from one of them: what
another one kept of a change that failed is reached by the filter alone."""


class ReferenceStore(VectorStore):
    """Finding, counting and exporting references.

    Safe for several threads, and on a server beside other processes. The indexed keys are asked
    for again before a key is called unknown, because another process may have added it.
    """

    def __init__(self, points: Points, *, dimension: int, max_meta_keys: int) -> None:
        """Work on points of (`dimension`,) vectors, distance Cosine."""
        self._references = points
        self._dimension = dimension
        self._max_meta_keys = max_meta_keys
        self._filter_keys = self._read_filter_keys()
        self._clock = ChangeClock(self.last_change())
        self._known = KnownCounts(lambda: points.facet("label"))
        self._watchers = Watchers()

    def watch(self, watcher: Watcher) -> None:
        self._known.asked = True
        self._watchers.add(watcher)

    # -- finding --------------------------------------------------------------------

    def existing(self, ids: Sequence[str]) -> dict[str, str]:
        """See `VectorStore.existing`.

        What only some replicas have is not there: its write failed, so it is written again.
        """
        found = self._references.retrieve(valid_ids(ids), payload=("label",), everywhere=True)
        return {point_id: _payload(record)["label"] for point_id, record in found.items()}

    def get(self, ids: Sequence[str]) -> list[Reference]:
        wanted = valid_ids(ids)
        found = self._references.retrieve(wanted, payload=_LISTED)
        return [_reference(found[point_id]) for point_id in wanted if point_id in found]

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        pictures: dict[str, bytes] = {}
        for some in chunks(valid_ids(ids), THUMBNAILS_PER_CALL):
            for point_id, record in self._references.retrieve(some, payload=(THUMBNAIL,)).items():
                if (jpeg := thumbnail_of(_payload(record))) is not None:
                    pictures[point_id] = jpeg
        return pictures

    def neighbours(
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]:
        queries = check_query(vectors, dimension=self._dimension, k=k)
        self._check_filter(where)
        answers = self._references.search(
            queries,
            k=k,
            matching=Matching.of(where),
            payload=VOTING_KEYS,
            vectors=with_vectors,
            known=self._known,
        )
        return [_neighbours(answer, with_vectors=with_vectors) for answer in answers]

    def export(
        self,
        *,
        where: Where = EVERYTHING,
        batch_size: int = 4096,
        changed_after: int | None = None,
        changed_until: int | None = None,
    ) -> Iterator[VectorBatch]:
        self._check_filter(where)  # now, not when the first batch is asked for
        matching = Matching.of(where, changed_after=changed_after, changed_until=changed_until)
        return self._export(matching, batch_size, steady=changed_until is None)

    def list_references(
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page:
        self._check_filter(where)
        start = valid_ids([] if after is None else [after])
        records, following = self._references.scroll(
            Matching.of(where),
            limit=limit + len(start),  # a page starts with `after` itself, if it is still there
            start=start[0] if start else None,
            payload=_LISTED,
        )
        found = [_reference(record) for record in records if str(record.id) != after]
        page = found[:limit]
        more = following is not None or len(found) > limit
        return Page(page, page[-1].id if more and page else None)

    # -- counting -------------------------------------------------------------------

    def counts(
        self,
        key: str = "label",
        *,
        where: Where = EVERYTHING,
        changed_after: int | None = None,
    ) -> dict[str, int]:
        self._check_filter(where, key)
        if key == "label" and not where and changed_after is None and self._known.asked:
            with self._references.reading():
                return in_order(self._known.recount())
        return self._references.facet(key, Matching.of(where, changed_after=changed_after))

    def known_counts(self) -> dict[str, int]:
        """See `VectorStore.known_counts`; exact where this process alone writes."""
        with self._references.reading():
            return self._known.read()

    def count(self, *, where: Where = EVERYTHING, changed_after: int | None = None) -> int:
        self._check_filter(where)
        return self._references.count(Matching.of(where, changed_after=changed_after))

    def state(self) -> GalleryState:
        """See `VectorStore.state`.

        The change is read before the counts: what happens in between is noticed next time.
        """
        with self._references.reading():
            last_change = self.last_change()
            return GalleryState(counts=self.counts(), last_change=last_change)

    def last_change(self) -> int:
        return self._references.largest(CHANGED_AT)

    def filter_keys(self) -> list[str]:
        self._filter_keys = self._read_filter_keys()
        return sorted(self._filter_keys)

    # -- keeping --------------------------------------------------------------------

    def verify_references(self, *, repair: bool) -> tuple[int, list[Damage]]:
        """How many are whole, and what is wrong with the others, which a repair removes."""
        points = self._references
        with points.resting():
            before = self.last_change(), points.count()
            unread: list[Damage] = []
            labels, damages = check_whole(points.whole(unread), self._dimension)
            damages = [*unread, *damages]
            still = (self.last_change(), points.count()) == before  # nobody wrote meanwhile
            if not damages and still and points.exact:
                damages = check_index(labels, points.facet("label"))
            if repair and damages:
                with self._writing():
                    damages = self._mended_references(damages)
        return labels.total(), damages

    # -- inside ---------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One change. Watchers are told afterwards, of one that failed half-way too."""
        try:
            with self._references.writing():
                yield
        finally:
            self._watchers.tell(Change.REFERENCES)

    def _mended_references(self, damages: list[Damage]) -> list[Damage]:
        if damages[0].item == LABEL_INDEX:
            again = "it was made again" if self._references.index_again("label") else None
            return [replace(damage, mended=again) for damage in damages]
        for ids in chunks([damage.item for damage in damages], POINTS_PER_CALL):
            self._references.delete(Matching(ids=tuple(ids)), f"{len(ids)} damaged references")
        return [replace(d, mended="it was removed: add its picture again") for d in damages]

    def _read_filter_keys(self) -> frozenset[str]:
        indexed = self._references.indexed_keys()
        return frozenset(KEYWORD_KEYS) | {key for key in indexed if key.startswith("meta.")}

    def _index_new(self, items: list[EmbeddedReference]) -> None:
        """Index before data: what arrives first would be filtered slowly, or missed."""
        keys = meta_keys(items)
        if keys <= self._filter_keys:
            return
        self._filter_keys = self._read_filter_keys()
        check_meta_keys(items, self._filter_keys, limit=self._max_meta_keys)
        for key in sorted(keys - self._filter_keys):
            self._references.index(key)
            self._filter_keys |= {key}

    def _check_filter(self, where: Where, *more: str) -> None:
        keys = [*more, *(condition.key for condition in where.conditions)]
        if not self._filter_keys.issuperset(keys):
            self._filter_keys = self._read_filter_keys()
        check_keys(keys, self._filter_keys)

    def _selections(
        self, ids: Iterable[str], where: Where, *, not_labelled: str | None = None
    ) -> Iterator[Matching]:
        """What together selects these ids, or all that match a non-empty filter."""
        chosen = check_selection(ids, where)
        self._check_filter(where)
        if where:
            yield Matching.of(
                where if not_labelled is None else where.excluding("label", not_labelled)
            )
        others = () if not_labelled is None else (not_labelled,)
        for some in chunks(chosen, POINTS_PER_CALL):
            yield Matching(ids=tuple(some)).without("label", *others)

    def _labels(self, matching: Matching) -> Iterator[Mapping[str, str]]:
        """Pages of ids that match, with their labels."""
        for records in self._references.pages(matching, payload=("label",)):
            yield {str(record.id): _payload(record)["label"] for record in records}

    def _export(
        self, matching: Matching, batch_size: int, *, steady: bool
    ) -> Iterator[VectorBatch]:
        before = self._references.count(matching) if steady else 0
        pages = self._references.pages(
            matching,
            payload=EXPORTED_KEYS,
            vectors=True,
            limit=self._references.vectors_per_page,
        )
        exported = 0
        for batch in batches(pages, dimension=self._dimension, batch_size=batch_size):
            exported += len(batch)
            yield batch
        if not steady:
            return
        after = self._references.count(matching)
        if not before == exported == after:
            raise StoreMoved(
                f"references changed while they were exported ({before} before, {exported} "
                f"exported, {after} after): run it again when nothing is being added"
            )


def _payload(record: Record) -> Mapping[str, Any]:
    return record.payload or {}


def _reference(record: Record) -> Reference:
    return from_payload(str(record.id), _payload(record))


def _neighbours(answer: Sequence[ScoredRecord], *, with_vectors: bool) -> list[Neighbour]:
    vectors = _vectors(answer) if with_vectors else [None] * len(answer)
    found = [
        Neighbour(
            id=str(record.id),
            label=(record.payload or {})["label"],
            similarity=min(1.0, max(-1.0, record.score)),
            vector=vector,
        )
        for record, vector in zip(answer, vectors, strict=True)
    ]
    # Equal similarities in id order, so that an answer is the same every time.
    return sorted(found, key=lambda n: (-n.similarity, n.id))


def _vectors(answer: Sequence[ScoredRecord]) -> list[Vectors]:
    """(D,) float32 of each point, out of the engine's lists of floats.

    Each list is made when it is looked at, and packed while it is in the processor's cache:
    `np.array` of all of them takes 3 times as long.
    """
    packed = bytearray().join(_packed(record.vector) for record in answer)
    return list(np.frombuffer(packed, dtype=np.float32).reshape(len(answer), -1)) if answer else []


def _packed(vector: Any) -> bytes:
    return struct.pack(f"{len(vector)}f", *vector)  # "=" would be slower, for the same bytes
