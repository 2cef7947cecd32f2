"""What a store is made of: points. Each has an id, a vector and a payload.

`holotype.store.references` and `holotype.store.heads` are written once, over the protocol
`Points`. Two engines implement it: a shard (`holotype.store.edge.points`) and a collection
(`holotype.store.server.collection`). Filters and points are the same for both; the records
that come back are the engines' own, so that nothing is converted twice.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from holotype.references import Vectors, Where
from holotype.store.known_counts import KnownCounts
from holotype.store.port import Damage

T = TypeVar("T")

POINTS_PER_CALL: Final = 1000
"""Points that are changed or removed by one call of an engine."""


@dataclass(frozen=True, slots=True)
class Without:
    """All of a payload but this key."""

    key: str


Keys = bool | Sequence[str] | Without
"""Which part of a payload is read: all, nothing, these keys, or all but one."""


@dataclass(frozen=True, slots=True)
class Point:
    """What lies under one id."""

    id: str
    """UUID."""
    vector: Vectors
    """(D,) float32."""
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Matching:
    """Which points: those of which all of this holds; of every point where nothing is said."""

    ids: tuple[str, ...] | None = None
    """Valid UUIDs."""
    one_of: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """An indexed key, and the values of which a point must have one."""
    none_of: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """An indexed key, and the values of which it may have none. A point without the key passes."""
    changed_after: int | None = None
    """Only references with a larger `changed_at`."""
    changed_until: int | None = None
    """Only references with no larger one."""

    @classmethod
    def of(
        cls, where: Where, *, changed_after: int | None = None, changed_until: int | None = None
    ) -> Matching:
        """The references that match a filter whose keys are indexed."""
        by_key = where.by_key().items()
        return cls(
            one_of=tuple((key, tuple(values)) for (key, op), values in by_key if op == "="),
            none_of=tuple((key, tuple(values)) for (key, op), values in by_key if op == "!="),
            changed_after=changed_after,
            changed_until=changed_until,
        )

    @classmethod
    def equal(cls, **values: str) -> Matching:
        """Points whose payload has all of these values."""
        return cls(one_of=tuple((key, (value,)) for key, value in values.items()))

    def without(self, key: str, *values: str) -> Matching:
        """The same, but for points whose `key` is one of these values."""
        return replace(self, none_of=(*self.none_of, (key, values))) if values else self


EVERY_POINT: Final = Matching()


class Record(Protocol):
    """A point as an engine returns it, with as much of it as was asked for."""

    @property
    def id(self) -> Any: ...  # noqa: D102  its string is the id
    @property
    def payload(self) -> Mapping[str, Any] | None: ...  # noqa: D102
    @property
    def vector(self) -> Any: ...  # noqa: D102  a list of floats, made by each look at it


class ScoredRecord(Record, Protocol):
    """A point that a search found."""

    @property
    def score(self) -> float: ...  # noqa: D102  cosine; rounding can leave [-1, 1] by 1e-7


class Points(Protocol):
    """The points of one kind, all in one place. Safe for several threads.

    `what` names the points of a call, for messages: `references`. Requests of any size are
    taken: bounding what is sent at once is the engine's business.
    """

    vectors_per_page: int = POINTS_PER_CALL
    """How many points with their vectors are best read at once."""

    # -- several calls as one ---------------------------------------------------------

    def writing(self) -> AbstractContextManager[None]:
        """One change, durable when this is left; every write is inside of one."""
        return nullcontext()

    def reading(self) -> AbstractContextManager[object]:
        """Reads that belong together: where this process alone writes, it waits meanwhile."""
        return nullcontext()

    def resting(self) -> AbstractContextManager[None]:
        """A long look at everything: where this process alone writes, it does not; reads go on."""
        return nullcontext()

    # -- writing ----------------------------------------------------------------------

    @abstractmethod
    def check(self, points: Sequence[Point]) -> None:
        """Refuse a write that would not succeed, before any of it begins.

        Raises:
            DiskFull: there is no room for these points.
            InvalidReference: one of them is too large.
        """

    @abstractmethod
    def upsert(self, points: Iterable[Point], what: str, *, agreed: bool = False) -> None:
        """Write points over those of the same ids; `agreed`: on all replicas in one order."""

    @abstractmethod
    def set_payload(self, payload: Mapping[str, Any], matching: Matching, what: str) -> None:
        """Overwrite these payload keys of every point that matches."""

    @abstractmethod
    def delete(self, matching: Matching, what: str) -> None:
        """Remove every point that matches."""

    # -- reading ----------------------------------------------------------------------

    @abstractmethod
    def retrieve(
        self,
        ids: Sequence[str],
        *,
        payload: Keys = True,
        vectors: bool = False,
        everywhere: bool = False,
    ) -> Mapping[str, Record]:
        """Those of these ids that are there; `everywhere`: on every replica."""

    @abstractmethod
    def agreed_payload(self, point_id: str, what: str) -> Mapping[str, Any] | None:
        """The payload of one point as most replicas have it; None where there is no such."""

    @abstractmethod
    def scroll(
        self,
        matching: Matching,
        *,
        limit: int,
        start: Any = None,
        payload: Keys = True,
        vectors: bool = False,
    ) -> tuple[Sequence[Record], Any]:
        """One page in id order from `start` on, and where the next begins (None: nowhere)."""

    def pages(
        self,
        matching: Matching,
        *,
        payload: Keys,
        vectors: bool = False,
        limit: int = POINTS_PER_CALL,
    ) -> Iterator[Sequence[Record]]:
        """Every matching point in id order, in non-empty pages.

        Changing or removing the points of a page does not disturb the next.
        """
        following: Any = None
        while True:
            records, following = self.scroll(
                matching, limit=limit, start=following, payload=payload, vectors=vectors
            )
            if records:
                yield records
            if following is None:
                return

    @abstractmethod
    def whole(self, unread: list[Damage]) -> Iterator[list[Point]]:
        """Every point with all that it has; what cannot be read is listed in `unread`."""

    @abstractmethod
    def search(
        self,
        queries: Vectors,
        *,
        k: int,
        matching: Matching,
        payload: Keys,
        vectors: bool,
        known: KnownCounts,
    ) -> Iterator[Sequence[ScoredRecord]]:
        """The `k` nearest points of each query.

        Args:
            queries: (Q, D) float32.
            k: at least 1.
            matching: applied inside the search.
            payload: what comes along.
            vectors: whether vectors come along.
            known: what is known of how many references there are.
        """

    # -- counting ---------------------------------------------------------------------

    @property
    def exact(self) -> bool:
        """Whether counts are."""
        return True

    @abstractmethod
    def count(self, matching: Matching = EVERY_POINT) -> int:
        """Number of points."""

    @abstractmethod
    def facet(self, key: str, matching: Matching = EVERY_POINT) -> dict[str, int]:
        """Number of points per value of an indexed keyword key (see `tally`)."""

    @abstractmethod
    def largest(self, key: str) -> int:
        """Largest value of an indexed integer key, 0 where there are no points."""

    # -- indexes ----------------------------------------------------------------------

    @abstractmethod
    def indexed_keys(self) -> Collection[str]:
        """Payload keys that have an index."""

    @abstractmethod
    def index(self, key: str) -> None:
        """Index a keyword key; returns when searches may use it."""

    def index_again(self, key: str) -> bool:  # noqa: ARG002
        """Make an index that is wrong anew; False where the engine keeps its indexes itself."""
        return False


def whole_point(record: Record) -> Point:
    """A point of a record with its payload and its vector."""
    vector = np.array(record.vector or (), dtype=np.float32)
    return Point(str(record.id), vector, dict(record.payload or {}))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive pieces of `size` items; the last may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
