"""One collection: the few operations that both halves of the port are made of.

Every call goes through `Calls` (repeated, translated), every write waits for the server, and
every request is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from qdrant_client import QdrantClient
from qdrant_client.http import models

from holotype.store.server.batches import chunks, point_batches
from holotype.store.server.errors import CLIENT_ERRORS, Passing
from holotype.store.server.filters import without
from holotype.store.server.retries import Calls
from holotype.store.tally import tally

IDS_PER_CALL: Final = 1000
PAGE: Final = 1000
"""Points of one scroll answer: 1,000 x 384-d vectors are 8 MB of JSON."""

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
class Collection:
    """A collection and the calls to it. `agreed` operations go through the shard's leader.

    On a cluster with replicas, an agreed write is ordered with all others, and an agreed read
    asks more than half of the replicas: leases and the active head need both. One server makes
    no difference.
    """

    client: QdrantClient
    calls: Calls
    name: str
    allowed: Allowance = Allowance()

    # -- writing --------------------------------------------------------------------

    def upsert(self, points: Iterable[models.PointStruct], what: str) -> None:
        """Write points in bounded batches; each is on the server when the next begins."""
        for batch in point_batches(points):
            self.calls(
                f"storing {len(batch)} {what}",
                partial(self.client.upsert, self.name, batch, wait=True),
            )

    def upsert_agreed(
        self, point: models.PointStruct, what: str, *, only_if: models.Filter | None = None
    ) -> None:
        """Write one point; where it is there already, only if it matches `only_if`."""
        self.calls(
            f"storing {what}",
            lambda: self.client.upsert(
                self.name, [point], wait=True, ordering=_LEADER, update_filter=only_if
            ),
        )

    def set_payload(self, payload: dict[str, Any], matching: models.Filter, what: str) -> None:
        """Overwrite these payload keys of every point that matches."""
        # A filter, not ids: the server refuses ids that somebody removed in between.
        selector = models.FilterSelector(filter=matching)
        self.calls(
            f"changing {what}",
            lambda: self.client.set_payload(self.name, payload, selector, wait=True),
        )

    def delete(self, matching: models.Filter, what: str) -> None:
        """Remove every point that matches."""
        selector = models.FilterSelector(filter=matching)
        self.calls(
            f"removing {what}",
            lambda: self.client.delete(self.name, selector, wait=True, ordering=_LEADER),
        )

    # -- reading --------------------------------------------------------------------

    def retrieve(
        self,
        ids: Sequence[str],
        *,
        payload: models.WithPayloadInterface = True,
        vectors: bool = False,
        per_call: int = IDS_PER_CALL,
    ) -> dict[str, models.Record]:
        """The points with these ids; absent ones are left out."""
        found: dict[str, models.Record] = {}
        for some in chunks(ids, per_call):
            records = self.calls(
                f"reading {len(some)} ids",
                partial(
                    self.client.retrieve,
                    self.name,
                    some,
                    with_payload=payload,
                    with_vectors=vectors,
                ),
            )
            found |= {str(record.id): record for record in records}
        return found

    def everywhere(self, ids: Sequence[str]) -> list[str]:
        """Those of these ids that every replica has that can be reached."""
        found: set[str] = set()
        for some in chunks(ids, IDS_PER_CALL):
            records = self._agreed(f"looking for {len(some)} ids", some, _ALL, payload=False)
            found.update(str(record.id) for record in records)
        return [point_id for point_id in ids if point_id in found]

    def payload_agreed(self, point_id: str, what: str) -> dict[str, Any] | None:
        """The payload of one point as most replicas have it.

        None where there is none, or where the replicas that were asked differ.
        """
        records = self._agreed(f"reading {what}", [point_id], _MOST, payload=True)
        return (records[0].payload or {}) if records else None

    def pages(
        self,
        matching: models.Filter | None,
        *,
        size: int = PAGE,
        payload: models.WithPayloadInterface = False,
        vectors: bool = False,
    ) -> Iterator[list[models.Record]]:
        """Every matching point in id order, in non-empty pages."""
        following: models.ExtendedPointId | None = None
        while True:
            records, following = self.scroll(
                matching, limit=size, start=following, payload=payload, vectors=vectors
            )
            if records:
                yield records
            if following is None:
                return

    def scroll(
        self,
        matching: models.Filter | None,
        *,
        limit: int,
        start: models.ExtendedPointId | None = None,
        payload: models.WithPayloadInterface = False,
        vectors: bool = False,
    ) -> tuple[list[models.Record], models.ExtendedPointId | None]:
        """One page in id order from `start` on, and where the next begins."""
        limit = self.allowed.within(limit)
        return self.calls(
            "reading a page",
            lambda: self.client.scroll(
                self.name,
                scroll_filter=matching,
                limit=limit,
                offset=start,
                with_payload=payload,
                with_vectors=vectors,
            ),
        )

    def largest(self, key: str) -> int:
        """Largest value of an indexed integer key, 0 where there are no points."""
        order = models.OrderBy(key=key, direction=models.Direction.DESC)
        records, _ = self.calls(
            f"reading the largest {key}",
            lambda: self.client.scroll(self.name, limit=1, order_by=order, with_payload=[key]),
        )
        return int((records[0].payload or {})[key]) if records else 0

    def search(self, requests: list[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """One list of points per request, best first."""
        answers = self.calls(
            f"searching for {len(requests)} queries",
            lambda: self.client.query_batch_points(self.name, requests),
        )
        return [answer.points for answer in answers]

    def count(self, matching: models.Filter | None = None) -> int:
        """Number of points; exact, unless the server forbids it."""
        exact = self.allowed.exact
        return self.calls(
            "counting", lambda: self.client.count(self.name, count_filter=matching, exact=exact)
        ).count

    def facet(self, key: str, matching: models.Filter | None = None) -> dict[str, int]:
        """Number of points per value of an indexed keyword key (see `tally`).

        It is exact, unless the server forbids that. Each answer is bounded, and the next asks
        for what those before it left out.
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
                    facet_filter=without(matching, key, [*found]),
                    limit=limit,
                    exact=self.allowed.exact,
                ),
            ).hits
            more = {str(hit.value): hit for hit in hits if hit.value not in found}
            found |= more
            if len(hits) < limit or not more:
                return tally(found.values())
            limit *= 10

    # -- the cluster ----------------------------------------------------------------

    def replicas(self) -> int:
        """How many replicas it was made with."""
        info = self.calls("reading its layout", lambda: self.client.get_collection(self.name))
        return info.config.params.replication_factor or 1

    # -- inside ---------------------------------------------------------------------

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
