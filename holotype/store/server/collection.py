"""The points of one collection on a server: `Points`, in Qdrant's own types.

Every call goes through `Calls` (repeated, translated), every write waits for the server, and
every request is bounded.
"""

# ruff: noqa: D102  as in Points

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from qdrant_client import QdrantClient
from qdrant_client.http import models

from holotype.references import Vectors
from holotype.store.facet_counts import tally
from holotype.store.known_counts import KnownCounts
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
from holotype.store.server.batches import check_size, point_batches
from holotype.store.server.errors import CLIENT_ERRORS, Passing
from holotype.store.server.filters import to_filter
from holotype.store.server.retries import Calls
from holotype.store.server.search import EXACT_UP_TO, SPARE, Size, queries_per_call

WHOLE_PAGE: Final = 256
"""Whole references, thumbnails included."""

KEYWORD: Final = models.PayloadSchemaType.KEYWORD

_FACET_LIMIT: Final = 10_000
"""Values asked for at first; ten times as many whenever an answer is full."""

_LEADER: Final = models.WriteOrdering.MEDIUM
"""The highest replica that is alive orders writes. `STRONG` means the highest one, alive or not:
while its node is away every such write is refused."""

_MOST: Final = (models.ReadConsistencyType.QUORUM, 1)
_ALL: Final = (models.ReadConsistencyType.ALL, *_MOST)
"""How many replicas have to say the same, the next where too few can be reached: all, more than
half, one. (Not `MAJORITY`: it asks all of them as well, and fails if one is silent.)"""

_AGREE_WITHIN_S: Final = 5
"""A replica that has not answered by then counts as one that cannot be reached."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a server in strict mode lets a request ask for."""

    exact: bool = True
    """Whether a search or a count may be exact."""
    limit: int | None = None
    """Points or values of one answer, at most."""

    @classmethod
    def of(cls, info: models.CollectionInfo) -> Allowance:
        """As a collection's configuration says."""
        strict = info.config.strict_mode_config
        if strict is None or not strict.enabled:
            return cls()
        return cls(strict.search_allow_exact is not False, strict.max_query_limit)

    def within(self, limit: int) -> int:
        """That many, or as many as are allowed."""
        return limit if self.limit is None else min(limit, self.limit)


@dataclass(frozen=True, slots=True)
class Collection(Points):
    """A collection and the calls to it. `agreed` operations go through the shard's leader.

    On a cluster with replicas, an agreed write is ordered with all others, and an agreed read
    asks more than half of the replicas: leases and the active head need both. One server makes
    no difference. Others write too, so nothing is held still.
    """

    client: QdrantClient
    calls: Calls
    name: str
    allowed: Allowance = Allowance()
    size: Size = field(default_factory=Size)

    # -- writing ----------------------------------------------------------------------

    def check(self, points: Sequence[Point]) -> None:
        for point in points:
            check_size(point)

    def upsert(
        self,
        points: Iterable[Point],
        what: str,
        *,
        agreed: bool = False,
        only_if: models.Filter | None = None,
    ) -> None:
        """See `Points.upsert`; where a point is there already, only if it matches `only_if`."""
        for batch in point_batches(points):
            self.calls(
                f"storing {what if agreed else f'{len(batch)} {what}'}",
                partial(
                    self.client.upsert,
                    self.name,
                    batch,
                    wait=True,
                    ordering=_LEADER if agreed else None,
                    update_filter=only_if,
                ),
            )

    def set_payload(self, payload: Mapping[str, Any], matching: Matching, what: str) -> None:
        # A filter, not ids: the server refuses ids that somebody removed in between.
        selector = _selector(matching)
        self.calls(
            f"changing {what}",
            lambda: self.client.set_payload(self.name, dict(payload), selector, wait=True),
        )

    def delete(self, matching: Matching, what: str) -> None:
        selector = _selector(matching)
        self.calls(
            f"removing {what}",
            lambda: self.client.delete(self.name, selector, wait=True, ordering=_LEADER),
        )

    # -- reading ----------------------------------------------------------------------

    def retrieve(
        self,
        ids: Sequence[str],
        *,
        payload: Keys = True,
        vectors: bool = False,
        everywhere: bool = False,
    ) -> dict[str, models.Record]:
        """See `Points.retrieve`. `everywhere` means every replica that can be reached."""
        found: dict[str, models.Record] = {}
        for some in chunks(self._everywhere(ids) if everywhere else ids, POINTS_PER_CALL):
            records = self.calls(
                f"reading {len(some)} ids",
                partial(
                    self.client.retrieve,
                    self.name,
                    some,
                    with_payload=_asked(payload),
                    with_vectors=vectors,
                ),
            )
            found |= {str(record.id): record for record in records}
        return found

    def agreed_payload(self, point_id: str, what: str) -> dict[str, Any] | None:
        """See `Points.agreed_payload`; None, too, where the replicas that were asked differ."""
        records = self._agreed(f"reading {what}", [point_id], _MOST, payload=True)
        return (records[0].payload or {}) if records else None

    def scroll(
        self,
        matching: Matching,
        *,
        limit: int,
        start: Any = None,
        payload: Keys = True,
        vectors: bool = False,
    ) -> tuple[list[models.Record], models.ExtendedPointId | None]:
        limit = self.allowed.within(limit)
        return self.calls(
            "reading a page",
            lambda: self.client.scroll(
                self.name,
                scroll_filter=to_filter(matching),
                limit=limit,
                offset=start,
                with_payload=_asked(payload),
                with_vectors=vectors,
            ),
        )

    def whole(self, unread: list[Damage]) -> Iterator[list[Point]]:  # noqa: ARG002  all can be read
        for records in self.pages(EVERY_POINT, limit=WHOLE_PAGE, payload=True, vectors=True):
            yield [whole_point(record) for record in records]

    def search(
        self,
        queries: Vectors,
        *,
        k: int,
        matching: Matching,
        payload: Keys,
        vectors: bool,
        known: KnownCounts,
    ) -> Iterator[list[models.ScoredPoint]]:
        size = self.size.read(known, self.count, at_least=k)
        # The server sets aside room for `limit` results, so no more than there can be.
        spare = SPARE if known.asked else 0
        limit = self.allowed.within(k if size is None else min(k, size + spare))
        if limit == 0:
            yield from ([] for _ in queries)
            return
        exact = size is not None and size <= EXACT_UP_TO and self.allowed.exact
        asking = models.QueryRequest(
            filter=to_filter(matching),
            params=models.SearchParams(exact=True) if exact else None,
            limit=limit,
            with_payload=_asked(payload),
            with_vector=vectors,
        )
        per_call = queries_per_call(limit, queries.shape[1], with_vectors=vectors)
        for some in chunks(queries, per_call):
            requests = [asking.model_copy(update={"query": query.tolist()}) for query in some]
            answers = self.calls(
                f"searching for {len(some)} queries",
                partial(self.client.query_batch_points, self.name, requests),
            )
            yield from (answer.points for answer in answers)

    # -- counting ---------------------------------------------------------------------

    @property
    def exact(self) -> bool:
        """See `Points.exact`: unless the server forbids it."""
        return self.allowed.exact

    def count(self, matching: Matching = EVERY_POINT) -> int:
        return self.calls(
            "counting",
            lambda: self.client.count(
                self.name, count_filter=to_filter(matching), exact=self.allowed.exact
            ),
        ).count

    def facet(self, key: str, matching: Matching = EVERY_POINT) -> dict[str, int]:
        """See `Points.facet`.

        Each answer is bounded, and the next asks for what those before it left out.
        """
        limit = _FACET_LIMIT
        found: dict[str, models.FacetValueHit] = {}
        while True:
            limit = self.allowed.within(limit)
            hits = self.calls(
                f"counting by {key}",
                partial(
                    self.client.facet,
                    self.name,
                    key,
                    facet_filter=to_filter(matching.without(key, *found)),
                    limit=limit,
                    exact=self.allowed.exact,
                ),
            ).hits
            more = {str(hit.value): hit for hit in hits if hit.value not in found}
            found |= more
            if len(hits) < limit or not more:
                return tally(found.values())
            limit *= 10

    def largest(self, key: str) -> int:
        order = models.OrderBy(key=key, direction=models.Direction.DESC)
        records, _ = self.calls(
            f"reading the largest {key}",
            lambda: self.client.scroll(self.name, limit=1, order_by=order, with_payload=[key]),
        )
        return int((records[0].payload or {})[key]) if records else 0

    # -- indexes ----------------------------------------------------------------------

    def indexed_keys(self) -> frozenset[str]:
        info = self.calls("reading its indexes", lambda: self.client.get_collection(self.name))
        return frozenset(info.payload_schema)

    def index(self, key: str, schema: models.PayloadSchemaType = KEYWORD) -> None:
        self.calls(
            f"indexing {key!r}",
            lambda: self.client.create_payload_index(self.name, key, schema, wait=True),
        )

    # -- the cluster ----------------------------------------------------------------

    def replicas(self) -> int:
        """How many replicas it was made with."""
        info = self.calls("reading its layout", lambda: self.client.get_collection(self.name))
        return info.config.params.replication_factor or 1

    # -- inside ---------------------------------------------------------------------

    def _everywhere(self, ids: Sequence[str]) -> list[str]:
        """Those of these ids that every replica has that can be reached."""
        found: set[str] = set()
        for some in chunks(ids, POINTS_PER_CALL):
            records = self._agreed(f"looking for {len(some)} ids", some, _ALL, payload=False)
            found.update(str(record.id) for record in records)
        return [point_id for point_id in ids if point_id in found]

    def _agreed(
        self,
        doing: str,
        ids: list[str],
        levels: Sequence[models.ReadConsistency],
        *,
        payload: bool,
    ) -> list[models.Record]:
        """What as many replicas say as can be reached, beginning with the first of `levels`."""

        def read(level: models.ReadConsistency, timeout: int | None) -> list[models.Record]:
            return self.client.retrieve(
                self.name, ids, with_payload=payload, consistency=level, timeout=timeout
            )

        def read_of_most() -> list[models.Record]:
            for level in levels[:-1]:
                try:
                    return read(level, _AGREE_WITHIN_S)
                except CLIENT_ERRORS as error:
                    if not isinstance(self.calls.translated(error, doing), Passing):
                        raise
            return read(levels[-1], None)

        return self.calls(doing, read_of_most)


def _selector(matching: Matching) -> models.FilterSelector:
    found = to_filter(matching)
    assert found is not None, "nobody changes every point"
    return models.FilterSelector(filter=found)


def _asked(payload: Keys) -> models.WithPayloadInterface:
    if isinstance(payload, Without):
        return models.PayloadSelectorExclude(exclude=[payload.key])
    return payload if isinstance(payload, bool) else list(payload)
