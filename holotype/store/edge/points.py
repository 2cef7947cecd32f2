"""The points of one shard of the embedded engine: `Points`, in the engine's own types."""

# ruff: noqa: ARG002, D102  as in Points; replicas need more of a call than one shard does

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import qdrant_edge as qe

from holotype.errors import StoreError
from holotype.references import Vectors
from holotype.store.edge.disk_space import Room
from holotype.store.edge.shard import Shard
from holotype.store.known_counts import KnownCounts
from holotype.store.payload import CHANGED_AT, THUMBNAIL
from holotype.store.points import (
    EVERY_POINT,
    POINTS_PER_CALL,
    Keys,
    Matching,
    Point,
    Points,
    Without,
    chunks,
    whole_point,
)
from holotype.store.port import Damage

QUERIES_PER_CALL: Final = 32
"""Bounds the time that one call holds the interpreter lock: 32 exact queries over 100,000
references take about 40 ms, as writing 1,000 does."""

SEARCH_EFFORT: Final = 160
"""Candidates kept while the index is searched (`hnsw_ef`). Among 100,000 x 384 it finds 99.4 % of
the 20 nearest in 1.8 ms; 128 found 99.0 %, 192 99.7 % in 2.5 ms (`docs/LAB.md`)."""

WHOLE_PER_PAGE: Final = 256

KEPT_COUNTS: Final = 64
"""Counts by value that are kept, one for every filter in use: counting 1,000 labels among
100,000 references under a filter takes 130 ms."""


class EdgePoints(Points):
    """There is one replica, and this process alone writes."""

    vectors_per_page = 512
    """Read 1.5 to 2 times faster per record than pages of 4,096."""

    def __init__(self, shard: Shard, room: Room) -> None:
        """Work on an open shard.

        Args:
            shard: of one kind of points.
            room: what there is on its disk.
        """
        self._shard = shard
        self._room = room
        # Exact until a user builds the index; what is added after that is still searched exactly.
        exact = shard.indexed_vectors() == 0
        self._search = qe.SearchParams(exact=exact, hnsw_ef=None if exact else SEARCH_EFFORT)
        self._kept: dict[tuple[str, Matching], dict[str, int]] = {}
        self._kept_of = shard.updates

    # -- several calls as one ---------------------------------------------------------

    def writing(self) -> AbstractContextManager[None]:
        return self._shard.writing()

    def reading(self) -> AbstractContextManager[object]:
        return self._shard.guard

    @contextmanager
    def resting(self) -> Iterator[None]:
        """See `Points.resting`. The engine is asked anew, whatever is kept."""
        with self._shard.writes:
            self._kept_of = -1
            yield

    # -- writing ----------------------------------------------------------------------

    def check(self, points: Sequence[Point]) -> None:
        self._room.require(sum(map(_size, points)))

    def upsert(self, points: Iterable[Point], what: str, *, agreed: bool = False) -> None:
        for some in chunks(points, POINTS_PER_CALL):
            # As a list: the engine takes numpy arrays too, but reads them 5 times slower.
            made = [qe.Point(point.id, point.vector.tolist(), point.payload) for point in some]
            self._shard.update(qe.UpdateOperation.upsert_points(made))

    def set_payload(self, payload: Mapping[str, Any], matching: Matching, what: str) -> None:
        change = qe.UpdateOperation.set_payload_by_filter(_some(matching), dict(payload))
        self._shard.update(change)

    def delete(self, matching: Matching, what: str) -> None:
        if there := self.count(matching):
            gone = qe.UpdateOperation.delete_points_by_filter(_some(matching))
            self._shard.update(gone, removes=there)

    # -- reading ----------------------------------------------------------------------

    def retrieve(
        self,
        ids: Sequence[str],
        *,
        payload: Keys = True,
        vectors: bool = False,
        everywhere: bool = False,
    ) -> dict[str, qe.Record]:
        found: dict[str, qe.Record] = {}
        for some in chunks(ids, POINTS_PER_CALL):
            found |= self._shard.retrieve(some, payload=_selector(payload), vectors=vectors)
        return found

    def agreed_payload(self, point_id: str, what: str) -> Mapping[str, Any] | None:
        found = self.retrieve([point_id]).get(point_id)
        return None if found is None else found.payload or {}

    def scroll(
        self,
        matching: Matching,
        *,
        limit: int,
        start: Any = None,
        payload: Keys = True,
        vectors: bool = False,
    ) -> tuple[list[qe.Record], str | None]:
        return self._shard.scroll(
            qe.ScrollRequest(
                offset=start,
                limit=limit,
                filter=_filter(matching),
                with_payload=_selector(payload),
                with_vector=vectors,
            )
        )

    def whole(self, unread: list[Damage]) -> Iterator[list[Point]]:
        return points_of(self._shard, unread)

    def search(
        self,
        queries: Vectors,
        *,
        k: int,
        matching: Matching,
        payload: Keys,
        vectors: bool,
        known: KnownCounts,
    ) -> Iterator[list[qe.ScoredPoint]]:
        among, selector = _filter(matching), _selector(payload)
        for some in chunks(queries, QUERIES_PER_CALL):
            yield from self._shard.query(
                [
                    qe.QueryRequest(
                        limit=k,
                        query=qe.Query.Nearest(query.tolist()),
                        filter=among,
                        with_payload=selector,
                        with_vector=vectors,
                        params=self._search,
                    )
                    for query in some
                ]
            )

    # -- counting ---------------------------------------------------------------------

    def count(self, matching: Matching = EVERY_POINT) -> int:
        return self._shard.count(_filter(matching))

    def facet(self, key: str, matching: Matching = EVERY_POINT) -> dict[str, int]:
        """See `Points.facet`. Kept until the next write."""
        with self._shard.guard:
            if self._kept_of != self._shard.updates:
                self._kept.clear()
                self._kept_of = self._shard.updates
            found = self._kept.get((key, matching))
            if found is None:
                found = self._shard.facet(key, _filter(matching))
                if len(self._kept) >= KEPT_COUNTS:
                    self._kept.clear()
                self._kept[key, matching] = found
            return dict(found)

    def largest(self, key: str) -> int:
        newest = qe.OrderBy(key, qe.Direction.Desc)
        request = qe.ScrollRequest(limit=1, with_payload=_selector((key,)), order_by=newest)
        records, _ = self._shard.scroll(request)
        return int((records[0].payload or {})[key]) if records else 0

    # -- indexes ----------------------------------------------------------------------

    def indexed_keys(self) -> set[str]:
        return self._shard.indexed_keys()

    def index(self, key: str) -> None:
        """See `Points.index`.

        The engine syncs several files for each and holds the interpreter meanwhile: afterwards
        others have their turn, for as long as it took.
        """
        started = time.monotonic()
        self._shard.index(key, qe.PayloadSchemaType.Keyword)
        time.sleep(time.monotonic() - started)

    def index_again(self, key: str) -> bool:
        self._shard.update(qe.UpdateOperation.delete_field_index(key))
        self._shard.index(key, qe.PayloadSchemaType.Keyword)
        return True


def points_of(shard: Shard, unread: list[Damage]) -> Iterator[list[Point]]:
    """Every point of a shard that may be damaged, a page at a time; see `Points.whole`."""
    following: str | None = None
    while True:
        request = qe.ScrollRequest(
            offset=following, limit=WHOLE_PER_PAGE, with_payload=False, with_vector=False
        )
        records, following = shard.scroll(request)
        yield _read(shard, [str(record.id) for record in records], unread)
        if following is None:
            return


def _read(shard: Shard, ids: list[str], unread: list[Damage]) -> list[Point]:
    try:
        found = shard.retrieve(ids, payload=True, vectors=True)
    except StoreError as error:
        if len(ids) == 1:
            unread.append(Damage(ids[0], f"the engine cannot read it ({error.__cause__})"))
            return []
        half = len(ids) // 2
        return _read(shard, ids[:half], unread) + _read(shard, ids[half:], unread)
    return [whole_point(record) for record in found.values()]


def _size(point: Point) -> int:
    """About how many bytes a point takes in its place, in the indexes and in the log."""
    return 4 * (point.vector.nbytes + 3 * len(point.payload.get(THUMBNAIL, "")) // 2 + 1024)


def _selector(payload: Keys) -> bool | qe.PayloadSelector:
    if isinstance(payload, bool):
        return payload
    if isinstance(payload, Without):
        return qe.PayloadSelector.Exclude([payload.key])
    return qe.PayloadSelector.Include(list(payload))


def _filter(matching: Matching) -> qe.Filter | None:
    must: list[qe.ConditionType] = [_any_of(*values) for values in matching.one_of]
    must_not: list[qe.ConditionType] = [_any_of(*values) for values in matching.none_of]
    if matching.ids is not None:
        must.append(qe.HasIdCondition(set(matching.ids)))
    after, until = matching.changed_after, matching.changed_until
    if after is not None or until is not None:
        # Compared as float64, which is exact for microseconds until the year 2255 (2**53).
        must.append(qe.FieldCondition(CHANGED_AT, range=qe.RangeFloat(gt=after, lte=until)))
    return qe.Filter(must=must, must_not=must_not) if must or must_not else None


def _some(matching: Matching) -> qe.Filter:
    found = _filter(matching)
    assert found is not None, "nobody changes every point"
    return found


def _any_of(key: str, values: tuple[str, ...]) -> qe.FieldCondition:
    return qe.FieldCondition(key, match=qe.MatchAny(list(values)))
