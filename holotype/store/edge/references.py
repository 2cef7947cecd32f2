"""The half of the port that is about references, over one shard."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, Final, TypeVar

import numpy as np
import qdrant_edge as qe

from holotype.errors import StoreMoved
from holotype.references import (
    EVERYTHING,
    MAX_META_KEYS,
    EmbeddedReference,
    Neighbour,
    Reference,
    VectorBatch,
    Vectors,
    Where,
)
from holotype.store.changes import ChangeClock
from holotype.store.edge import verify
from holotype.store.edge.export import EXPORTED, RECORDS_PER_PAGE, batches
from holotype.store.edge.filters import ids_filter, to_filter
from holotype.store.edge.room import Room
from holotype.store.edge.shard import Shard
from holotype.store.known_counts import KnownCounts
from holotype.store.payload import (
    CHANGED_AT,
    KEYWORD_KEYS,
    THUMBNAIL,
    VOTING_KEYS,
    from_payload,
    meta_keys,
    thumbnail_of,
    to_payload,
)
from holotype.store.port import Damage, GalleryState, Page
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
from holotype.store.watchers import Change, Watcher, Watchers
from holotype.store.whole import LABEL_INDEX

T = TypeVar("T")

POINTS_PER_CALL: Final = 1024
"""Bounds the time that one call holds the interpreter lock (about 30 ms of writing)."""

QUERIES_PER_CALL: Final = 32
"""Same, for searching: 32 exact queries over 100,000 references take about 40 ms."""

SEARCH_EFFORT: Final = 160
"""Candidates kept while the index is searched (`hnsw_ef`). Among 100,000 x 384 it finds 99.4 % of
the 20 nearest in 1.8 ms; 128 found 99.0 %, 192 99.7 % in 2.5 ms (`docs/LAB.md`)."""

KEPT_COUNTS: Final = 64
"""Counts by value that are kept, one for every filter in use: every classification asks for
them, and counting 1,000 labels among 100,000 references under a filter takes 130 ms."""

_WITHOUT_THUMBNAIL = qe.PayloadSelector.Exclude([THUMBNAIL])
_LABEL = qe.PayloadSelector.Include(["label"])
_FOR_VOTING = qe.PayloadSelector.Include([*VOTING_KEYS])


class EdgeReferences:
    """Adding, finding, changing and exporting references."""

    def __init__(
        self, shard: Shard, room: Room, *, dimension: int, max_meta_keys: int = MAX_META_KEYS
    ) -> None:
        """Work on an open shard.

        Args:
            shard: of the gallery's references.
            room: what there is on its disk.
            dimension: D.
            max_meta_keys: of the gallery.
        """
        self._max_meta_keys = max_meta_keys
        self._references = shard
        self._room = room
        self._dimension = dimension
        # Exact until a user builds the index; what is added after that is still searched exactly.
        exact = shard.indexed_vectors() == 0
        self._search = qe.SearchParams(exact=exact, hnsw_ef=None if exact else SEARCH_EFFORT)
        keys = shard.indexed_keys()
        self._filter_keys = {*KEYWORD_KEYS, *(key for key in keys if key.startswith("meta."))}
        self._clock = ChangeClock(self.last_change())
        # Kept between writes, which all pass through this object.
        self._state: GalleryState | None = None
        self._counts: dict[tuple[str, Where], dict[str, int]] = {}
        self._known = KnownCounts(self.counts)
        self._watchers = Watchers()

    @property
    def shared(self) -> bool:
        """See `VectorStore.shared`: there is one owner."""
        return False

    def watch(self, watcher: Watcher) -> None:
        """See `VectorStore.watch`."""
        self._watchers.add(watcher)

    # -- writing --------------------------------------------------------------------

    def add(self, references: Sequence[EmbeddedReference]) -> None:
        """See `VectorStore.add`."""
        items = check_references(references, self._dimension)
        if not items:
            return
        self._room.require(sum(map(_size, items)))
        check_meta_keys(items, self._filter_keys, limit=self._max_meta_keys)
        self._index_new(meta_keys(items))
        with self._writing():
            changed_at = self._clock.next()
            for some in _chunks(items, POINTS_PER_CALL):
                points = [_point(item, changed_at=changed_at) for item in some]
                labels = {item.reference.id: item.reference.label for item in some}
                before = self.existing([*labels]) if self._known.asked else {}
                with self._known.moving(before.values(), labels.values()):
                    self._references.update(qe.UpdateOperation.upsert_points(points))

    def relabel(self, label: str, *, ids: Iterable[str] = (), where: Where = EVERYTHING) -> int:
        """See `VectorStore.relabel`."""
        check_label(label)
        self._room.require()
        changed = 0
        with self._writing():
            payload = {"label": label, CHANGED_AT: self._clock.next()}
            for page in self._selected(ids, where, not_labelled=label):
                with self._known.moving(page.values(), [label] * len(page)):
                    self._references.update(qe.UpdateOperation.set_payload([*page], payload))
                changed += len(page)
        return changed

    def remove(self, *, ids: Iterable[str] = (), where: Where = EVERYTHING) -> int:
        """See `VectorStore.remove`."""
        removed = 0
        with self._writing():
            for page in self._selected(ids, where):
                gone = qe.UpdateOperation.delete_points([*page])
                with self._known.moving(page.values(), ()):
                    self._references.update(gone, removes=len(page))
                removed += len(page)
        return removed

    # -- keeping --------------------------------------------------------------------

    def verify_references(self, *, repair: bool) -> tuple[int, list[Damage]]:
        """How many are whole, and what is wrong with the others, which a repair removes."""
        with self._references.writes:
            whole, damages = verify.references(self._references, self._dimension)
            if not repair or not damages:
                return whole, damages
            with self._writing():
                return whole, [self._mend(damage) for damage in damages]

    def _mend(self, damage: Damage) -> Damage:
        if damage.item == LABEL_INDEX:
            self._references.update(qe.UpdateOperation.delete_field_index("label"))
            self._references.index("label", qe.PayloadSchemaType.Keyword)
            return replace(damage, mended="it was made again")
        self._references.update(qe.UpdateOperation.delete_points([damage.item]), removes=1)
        return replace(damage, mended="it was removed: add its picture again")

    # -- finding --------------------------------------------------------------------

    def existing(self, ids: Sequence[str]) -> dict[str, str]:
        """See `VectorStore.existing`."""
        found = self._payloads(ids, _LABEL)
        return {point_id: payload["label"] for point_id, payload in found}

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """See `VectorStore.get`."""
        return [from_payload(*found) for found in self._payloads(ids, _WITHOUT_THUMBNAIL)]

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        """See `VectorStore.thumbnails`."""
        found = self._payloads(ids, qe.PayloadSelector.Include([THUMBNAIL]))
        pictures = ((point_id, thumbnail_of(payload)) for point_id, payload in found)
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
        check_filter(where, self._filter_keys)
        matching = to_filter(where)
        requests = [
            qe.QueryRequest(
                limit=k,
                query=qe.Query.Nearest(query.tolist()),
                filter=matching,
                with_payload=_FOR_VOTING,
                with_vector=with_vectors,
                params=self._search,
            )
            for query in queries
        ]
        answers = (
            a for some in _chunks(requests, QUERIES_PER_CALL) for a in self._references.query(some)
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
        """See `VectorStore.export`."""
        check_filter(where, self._filter_keys)  # now, not when the first batch is asked for
        matching = to_filter(where, changed_after=changed_after, changed_until=changed_until)
        return self._export(matching, batch_size, steady=changed_until is None)

    def list_references(
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page:
        """See `VectorStore.list_references`."""
        check_filter(where, self._filter_keys)
        start = valid_ids([] if after is None else [after])
        records, following = self._references.scroll(
            qe.ScrollRequest(
                offset=start[0] if start else None,
                limit=limit + len(start),  # a page starts with `after` itself, if it is still there
                filter=to_filter(where),
                with_payload=_WITHOUT_THUMBNAIL,
            )
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
        check_key(key, self._filter_keys)
        check_filter(where, self._filter_keys)
        if changed_after is not None:
            return self._references.facet(key, to_filter(where, changed_after=changed_after))
        with self._references.guard:
            kept = self._counts.get((key, where))
            if kept is None:
                kept = self._references.facet(key, to_filter(where))
                if len(self._counts) >= KEPT_COUNTS:
                    self._counts.clear()
                self._counts[key, where] = kept
            return dict(kept)

    def known_counts(self) -> dict[str, int]:
        """See `VectorStore.known_counts`; exact, as every write passes through this object."""
        with self._references.guard:
            return self._known.read()

    def count(self, *, where: Where = EVERYTHING, changed_after: int | None = None) -> int:
        """See `VectorStore.count`."""
        check_filter(where, self._filter_keys)
        return self._references.count(to_filter(where, changed_after=changed_after))

    def state(self) -> GalleryState:
        """See `VectorStore.state`."""
        with self._references.guard:
            if self._state is None:
                self._state = GalleryState(self.counts(), self.last_change())
            return self._state

    def last_change(self) -> int:
        """See `VectorStore.last_change`."""
        newest = qe.OrderBy(CHANGED_AT, qe.Direction.Desc)
        selector = qe.PayloadSelector.Include([CHANGED_AT])
        request = qe.ScrollRequest(limit=1, with_payload=selector, order_by=newest)
        records, _ = self._references.scroll(request)
        return int((records[0].payload or {})[CHANGED_AT]) if records else 0

    def filter_keys(self) -> list[str]:
        """See `VectorStore.filter_keys`."""
        return sorted(self._filter_keys)

    # -- inside ---------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One change, which no other call of this store sees half done, and which lasts."""
        try:
            with self._references.writing():
                self._state = None
                self._counts.clear()
                yield
        finally:
            self._watchers.tell(Change.REFERENCES)

    def _index_new(self, keys: set[str]) -> None:
        """Index before data, a key at a time.

        The engine syncs several files for each and holds the interpreter meanwhile: in between,
        others have their turn, for as long as it took.
        """
        for key in sorted(keys - self._filter_keys):
            started = time.monotonic()
            self._references.index(key, qe.PayloadSchemaType.Keyword)
            self._filter_keys.add(key)
            time.sleep(time.monotonic() - started)

    def _payloads(
        self, ids: Sequence[str], selector: qe.PayloadSelector
    ) -> Iterator[tuple[str, qe.Payload]]:
        for some in _chunks(valid_ids(ids), POINTS_PER_CALL):
            found = self._references.retrieve(some, payload=selector)
            for point_id in some:
                if point_id in found:
                    yield point_id, found[point_id].payload or {}

    def _selected(
        self, ids: Iterable[str], where: Where, *, not_labelled: str | None = None
    ) -> Iterator[Mapping[str, str]]:
        """Pages of ids that are there, with their labels, by ids or by a non-empty filter."""
        chosen = check_selection(ids, where)
        check_filter(where, self._filter_keys)
        if where:
            narrowed = where if not_labelled is None else where.excluding("label", not_labelled)
            yield from self._matching(to_filter(narrowed))
        for some in _chunks(chosen, POINTS_PER_CALL):
            yield from self._matching(ids_filter(some, not_labelled=not_labelled))

    def _matching(self, matching: qe.Filter | None) -> Iterator[Mapping[str, str]]:
        # Pages go up by id, so changing or removing a page does not disturb the next.
        for records in self._pages(matching, POINTS_PER_CALL, payload=_LABEL):
            yield {str(record.id): (record.payload or {})["label"] for record in records}

    def _export(
        self, matching: qe.Filter | None, batch_size: int, *, steady: bool
    ) -> Iterator[VectorBatch]:
        before = self._references.count(matching) if steady else 0
        pages = self._pages(matching, RECORDS_PER_PAGE, payload=EXPORTED, vectors=True)
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

    def _pages(
        self,
        matching: qe.Filter | None,
        size: int,
        *,
        payload: bool | qe.PayloadSelector = False,
        vectors: bool = False,
    ) -> Iterator[list[qe.Record]]:
        """Pages in id order; none is empty."""
        following: str | None = None
        while True:
            records, following = self._references.scroll(
                qe.ScrollRequest(
                    offset=following,
                    limit=size,
                    filter=matching,
                    with_payload=payload,
                    with_vector=vectors,
                )
            )
            if records:
                yield records
            if following is None:
                return


def _point(item: EmbeddedReference, *, changed_at: int) -> qe.Point:
    # As a list: the engine takes numpy arrays too, but reads them 5 times slower.
    payload = to_payload(item, changed_at=changed_at)
    return qe.Point(item.reference.id, item.vector.tolist(), payload)


def _size(item: EmbeddedReference) -> int:
    """About how many bytes a reference takes in its place, in the indexes and in the log."""
    return 4 * (item.vector.nbytes + 2 * len(item.thumbnail or b"") + 1024)


def _reference(record: qe.Record) -> Reference:
    return from_payload(str(record.id), record.payload or {})


def _neighbours(answer: list[qe.ScoredPoint], *, with_vectors: bool) -> list[Neighbour]:
    vectors = _vectors(answer) if with_vectors else [None] * len(answer)
    found = [
        Neighbour(
            id=str(point.id),
            label=(point.payload or {})["label"],
            # The engine's rounding can leave [-1, 1] by 1e-7.
            similarity=min(1.0, max(-1.0, point.score)),
            vector=vector,
        )
        for point, vector in zip(answer, vectors, strict=True)
    ]
    # Equal similarities in id order, so that an answer is the same every time.
    return sorted(found, key=lambda n: (-n.similarity, n.id))


def _vectors(answer: list[qe.ScoredPoint]) -> list[Vectors]:
    """(D,) float32 of each point, out of the engine's lists of floats.

    Each list is made when it is looked at, and packed while it is in the processor's cache:
    `np.array` of all of them takes 3 times as long.
    """
    packed = bytearray().join(_packed(point.vector) for point in answer)
    return list(np.frombuffer(packed, dtype=np.float32).reshape(len(answer), -1)) if answer else []


def _packed(vector: Any) -> bytes:
    return struct.pack(f"{len(vector)}f", *vector)  # "=" would be slower, for the same bytes


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
