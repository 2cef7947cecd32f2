"""The half of the port that is about references, over one collection."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from qdrant_client.http import models

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
    to_payload,
)
from holotype.store.port import Damage, GalleryState, Page
from holotype.store.server.batches import check_size, chunks, point
from holotype.store.server.collection import PAGE, Collection
from holotype.store.server.filters import ids_filter, to_filter
from holotype.store.server.galleries import KEYWORD, Galleries
from holotype.store.server.verify import verify_references
from holotype.store.tally import in_order
from holotype.store.validate import (
    check_filter,
    check_key,
    check_label,
    check_meta_keys,
    check_query,
    check_references,
    check_selection,
    valid_ids,
)

EXACT_UP_TO: Final = 100_000
"""Up to here a query is compared with every reference, as on the embedded store; beyond, the
server decides and uses its index (recall@20 of 0.984 was measured at 100,000 x 384)."""

SPARE: Final = 10_000
"""References that may have come since they were counted."""

SIZE_IS_FRESH_S: Final = 10.0
"""How long a count serves to choose between the two."""

QUERIES_PER_CALL: Final = 64
ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Of one search answer, estimated; fewer queries are asked at once where k is large."""
_PAYLOAD_BYTES: Final = 1024
_BYTES_PER_COMPONENT: Final = 24

THUMBNAILS_PER_CALL: Final = 200

_LEFT_OVER: Final = "what an earlier failure left over"
"""Each replica applies a filter to what it has itself. Pages of ids come from one of them: what
another one kept of a change that failed is reached by the filter alone."""

_WITHOUT_THUMBNAIL: Final = models.PayloadSelectorExclude(exclude=[THUMBNAIL])


class ServerReferences:
    """Adding, finding, changing and exporting references.

    Safe to use from several threads and beside other processes. The indexed keys are those
    that the server tells; they are asked for again before a key is called unknown, because
    another process may have added it.
    """

    def __init__(
        self,
        collection: Collection,
        galleries: Galleries,
        *,
        dimension: int,
        max_meta_keys: int,
    ) -> None:
        """Work on an existing collection of (`dimension`,) vectors."""
        self._max_meta_keys = max_meta_keys
        self._collection = collection
        self._galleries = galleries
        self._dimension = dimension
        self._filter_keys = self._read_filter_keys()
        self._clock = ChangeClock(collection.largest(CHANGED_AT))
        self._known = KnownCounts(self._count_labels)
        self._size = (0, float("-inf"))
        """Number of references, and when that was counted (monotonic seconds)."""

    # -- writing --------------------------------------------------------------------

    def add(self, references: Sequence[EmbeddedReference]) -> None:
        """See `VectorStore.add`."""
        items = check_references(references, self._dimension)
        if not items:
            return
        changed_at = self._clock.next()
        points = [(i, to_payload(i, changed_at=changed_at)) for i in items]
        for item, payload in points:
            check_size(item.vector, payload, f"reference {item.reference.source!r}")
        self._index_new(items)
        labels = {item.reference.id: item.reference.label for item in items}
        before = self.existing([*labels]) if self._known.asked else {}
        with self._known.moving(before.values(), labels.values()):
            self._collection.upsert(
                (point(item.reference.id, item.vector, payload) for item, payload in points),
                "references",
            )

    def relabel(self, label: str, *, ids: Iterable[str] = (), where: Where = EVERYTHING) -> int:
        """See `VectorStore.relabel`."""
        check_label(label)
        payload = {"label": label, CHANGED_AT: self._clock.next()}
        changed = 0
        for matching in self._selections(ids, where, not_labelled=label):
            for page in self._matching(matching):
                with self._known.moving(page.values(), [label] * len(page)):
                    self._collection.set_payload(
                        payload, ids_filter([*page]), f"{len(page)} labels"
                    )
                changed += len(page)
            self._collection.set_payload(payload, matching, _LEFT_OVER)
        return changed

    def remove(self, *, ids: Iterable[str] = (), where: Where = EVERYTHING) -> int:
        """See `VectorStore.remove`."""
        removed = 0
        for matching in self._selections(ids, where):
            for page in self._matching(matching):
                with self._known.moving(page.values(), ()):
                    self._collection.delete(ids_filter([*page]), f"{len(page)} references")
                removed += len(page)
            self._collection.delete(matching, _LEFT_OVER)
        return removed

    # -- finding --------------------------------------------------------------------

    def existing(self, ids: Sequence[str]) -> dict[str, str]:
        """See `VectorStore.existing`.

        What only some replicas have is not there: its write failed, so it is written again.
        """
        present = self._collection.everywhere(valid_ids(ids))
        found = self._collection.retrieve(present, payload=["label"])
        return {point_id: (record.payload or {})["label"] for point_id, record in found.items()}

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """See `VectorStore.get`."""
        wanted = valid_ids(ids)
        found = self._collection.retrieve(wanted, payload=_WITHOUT_THUMBNAIL)
        return [_reference(found[point_id]) for point_id in wanted if point_id in found]

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        """See `VectorStore.thumbnails`."""
        found = self._collection.retrieve(
            valid_ids(ids), payload=[THUMBNAIL], per_call=THUMBNAILS_PER_CALL
        )
        pictures = ((i, thumbnail_of(record.payload or {})) for i, record in found.items())
        return {point_id: jpeg for point_id, jpeg in pictures if jpeg is not None}

    def neighbours(
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]:
        """See `VectorStore.neighbours`."""
        queries = check_query(vectors, dimension=self._dimension, k=k)
        self._check_filter(where)
        size = self._gallery_size(at_least=k)
        # The server sets aside room for `limit` results, so no more than there can be.
        spare = SPARE if self._known.asked else 0
        limit = self._collection.allowed.within(k if size is None else min(k, size + spare))
        if limit == 0:
            return [[] for _ in queries]
        matching = to_filter(where)
        exact = size is not None and size <= EXACT_UP_TO and self._collection.allowed.exact
        params = models.SearchParams(exact=True) if exact else None
        requests = [
            models.QueryRequest(
                query=query.tolist(),
                filter=matching,
                params=params,
                limit=limit,
                with_payload=list(VOTING_KEYS),
                with_vector=with_vectors,
            )
            for query in queries
        ]
        per_call = self._queries_per_call(limit, with_vectors=with_vectors)
        return [
            _neighbours(answer)
            for some in chunks(requests, per_call)
            for answer in self._collection.search(some)
        ]

    def export(
        self,
        *,
        where: Where = EVERYTHING,
        batch_size: int = 4096,
        changed_after: int | None = None,
        changed_until: int | None = None,
    ) -> Iterator[VectorBatch]:
        """See `VectorStore.export`; a batch has at most 1,000 references."""
        self._check_filter(where)  # now, not when the first batch is asked for
        matching = to_filter(where, changed_after=changed_after, changed_until=changed_until)
        return self._export(matching, min(batch_size, PAGE), steady=changed_until is None)

    def list_references(
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page:
        """See `VectorStore.list_references`."""
        self._check_filter(where)
        start = valid_ids([] if after is None else [after])
        records, following = self._collection.scroll(
            to_filter(where),
            limit=limit + len(start),  # a page starts with `after` itself, if it is still there
            start=start[0] if start else None,
            payload=_WITHOUT_THUMBNAIL,
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
        """See `VectorStore.counts`."""
        if key not in self._filter_keys:
            self._filter_keys = self._read_filter_keys()
        check_key(key, self._filter_keys)
        self._check_filter(where)
        if key == "label" and not where and changed_after is None and self._known.asked:
            return in_order(self._known.recount())
        return self._collection.facet(key, to_filter(where, changed_after=changed_after))

    def keep_counts(self) -> None:
        """Remember from now on what is counted, and what writes make of it."""
        self._known.asked = True

    def known_counts(self) -> dict[str, int]:
        """See `VectorStore.known_counts`."""
        return self._known.read()

    def count(self, *, where: Where = EVERYTHING, changed_after: int | None = None) -> int:
        """See `VectorStore.count`."""
        self._check_filter(where)
        return self._collection.count(to_filter(where, changed_after=changed_after))

    def state(self) -> GalleryState:
        """See `VectorStore.state`.

        The change is read before the counts: what happens in between is noticed next time.
        """
        last_change = self.last_change()
        return GalleryState(counts=self.counts(), last_change=last_change)

    def last_change(self) -> int:
        """See `VectorStore.last_change`."""
        return self._collection.largest(CHANGED_AT)

    def filter_keys(self) -> list[str]:
        """See `VectorStore.filter_keys`."""
        self._filter_keys = self._read_filter_keys()
        return sorted(self._filter_keys)

    def verify(self, *, repair: bool) -> tuple[int, list[Damage]]:
        """How many are whole, and what is wrong with the others, which a repair removes."""
        return verify_references(self._collection, self._dimension, repair=repair)

    # -- inside ---------------------------------------------------------------------

    def _read_filter_keys(self) -> frozenset[str]:
        indexed = self._galleries.indexed_keys(self._collection.name)
        return frozenset(KEYWORD_KEYS) | {key for key in indexed if key.startswith("meta.")}

    def _index_new(self, items: list[EmbeddedReference]) -> None:
        """Index before data: what arrives first would be filtered slowly, or missed."""
        keys = meta_keys(items)
        if keys <= self._filter_keys:
            return
        self._filter_keys = self._read_filter_keys()
        check_meta_keys(items, self._filter_keys, limit=self._max_meta_keys)
        for key in sorted(keys - self._filter_keys):
            self._galleries.add_index(self._collection.name, key, KEYWORD)
        self._filter_keys |= keys

    def _check_filter(self, where: Where) -> None:
        if any(condition.key not in self._filter_keys for condition in where.conditions):
            self._filter_keys = self._read_filter_keys()
        check_filter(where, self._filter_keys)

    def _count_labels(self) -> dict[str, int]:
        return self._collection.facet("label")

    def _gallery_size(self, *, at_least: int) -> int | None:
        """Number of references; None where it is not known.

        Where classes are known, so is their number. Else it is what was counted lately, and
        counted now where that is below `at_least`.
        """
        if self._known.asked:
            return self._known.total
        size, counted_at = self._size
        if size < at_least or time.monotonic() - counted_at > SIZE_IS_FRESH_S:
            size = self._collection.count()
            self._size = (size, time.monotonic())
        return size

    def _queries_per_call(self, limit: int, *, with_vectors: bool) -> int:
        per_point = _PAYLOAD_BYTES + (self._dimension * _BYTES_PER_COMPONENT if with_vectors else 0)
        return min(QUERIES_PER_CALL, max(1, ANSWER_BYTES // (limit * per_point)))

    def _selections(
        self, ids: Iterable[str], where: Where, *, not_labelled: str | None = None
    ) -> Iterator[models.Filter]:
        """Filters that together select these ids, or all that match a non-empty filter."""
        chosen = check_selection(ids, where)
        self._check_filter(where)
        narrowed = where if not_labelled is None else where.excluding("label", not_labelled)
        if where and (matching := to_filter(narrowed)):
            yield matching
        for some in chunks(chosen, PAGE):
            yield ids_filter(some, not_labelled=not_labelled)

    def _matching(self, matching: models.Filter) -> Iterator[Mapping[str, str]]:
        """Pages of ids that match, with their labels."""
        # Pages go up by id, so changing or removing a page does not disturb the next.
        for records in self._collection.pages(matching, payload=["label"]):
            yield {str(record.id): (record.payload or {})["label"] for record in records}

    def _export(
        self, matching: models.Filter | None, page: int, *, steady: bool
    ) -> Iterator[VectorBatch]:
        before = self._collection.count(matching) if steady else 0
        exported = 0
        payload = list(EXPORTED_KEYS)
        for records in self._collection.pages(matching, size=page, payload=payload, vectors=True):
            exported += len(records)
            yield _batch(records)
        if not steady:
            return
        after = self._collection.count(matching)
        if not before == exported == after:
            raise StoreMoved(
                f"references changed while they were exported ({before} before, {exported} "
                f"exported, {after} after): run it again when nothing is being added"
            )


def _reference(record: models.Record) -> Reference:
    return from_payload(str(record.id), record.payload or {})


def _neighbours(answer: list[models.ScoredPoint]) -> list[Neighbour]:
    found = [
        Neighbour(
            id=str(point.id),
            label=(point.payload or {})["label"],
            # The server's rounding can leave [-1, 1] by 1e-7.
            similarity=min(1.0, max(-1.0, point.score)),
            vector=None if point.vector is None else np.array(point.vector, dtype=np.float32),
        )
        for point in answer
    ]
    # Equal similarities in id order, so that an answer is the same every time.
    return sorted(found, key=lambda n: (-n.similarity, n.id))


def _batch(records: list[models.Record]) -> VectorBatch:
    payloads = [record.payload or {} for record in records]
    return VectorBatch(
        ids=[str(record.id) for record in records],
        labels=[payload["label"] for payload in payloads],
        groups=[payload.get("group") for payload in payloads],
        vectors=np.array([record.vector for record in records], dtype=np.float32),
    )
