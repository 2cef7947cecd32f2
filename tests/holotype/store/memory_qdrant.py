"""The client's own in-memory engine, closer to a server than it comes.

It ignores payload indexes; a server does not. Here they are remembered, shown in a
collection's `payload_schema`, and demanded by what a server demands them for. Two more things
that a server does, seen on 1.18: a facet without a filter goes on listing values that no point
carries any longer, with count 0, and a `must_not` that equals a `must` is ignored. One lock
makes it usable from several threads (without, it loses writes), and `close` leaves it open, so
that a store can be opened on the same data again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from qdrant_client import QdrantClient
from qdrant_client.http import models


class Refused(ValueError):
    """What a server would refuse, with the status of its answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def _one_at_a_time(cls: type[MemoryQdrant]) -> type[MemoryQdrant]:
    """Put the lock around every public method."""
    for name in [n for n in dir(cls) if not n.startswith("_") and callable(getattr(cls, n))]:
        setattr(cls, name, _locked(getattr(cls, name)))
    return cls


def _locked(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def locked(self: MemoryQdrant, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return method(self, *args, **kwargs)

    return locked


@_one_at_a_time
class MemoryQdrant(QdrantClient):
    """`QdrantClient(":memory:")` with payload indexes."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.lock = threading.RLock()
        self._indexes: dict[str, dict[str, models.PayloadIndexInfo]] = {}
        self.strict: models.StrictModeConfig | None = None
        """Of every collection: what it forbids is refused."""
        self._values: dict[tuple[str, str], set[str]] = {}
        """Every value that a keyword index ever held, by collection and key."""
        self.snapshots: dict[str, bytes] = {}
        """The one that was made of a collection and not removed yet."""

    def create_payload_index(
        self, collection_name: str, field_name: str, field_schema: Any = None, **_: Any
    ) -> models.UpdateResult:
        """Remember the index."""
        kind = models.PayloadSchemaType(field_schema)
        indexes = self._indexes.setdefault(self._resolved(collection_name), {})
        indexes[field_name] = models.PayloadIndexInfo(data_type=kind, points=0)
        self._remember(collection_name)
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)

    def get_collection(self, collection_name: str, **_: Any) -> models.CollectionInfo:
        """With the indexes that were made."""
        info = super().get_collection(collection_name)
        info.config.strict_mode_config = self.strict
        info.payload_schema = dict(self._indexes.get(self._resolved(collection_name), {}))
        return info

    def create_collection(self, collection_name: str, **options: Any) -> bool:
        """A collection of that name starts without indexes."""
        self._indexes.pop(collection_name, None)
        for place in [place for place in self._values if place[0] == collection_name]:
            del self._values[place]
        return super().create_collection(collection_name, **options)

    def upsert(self, collection_name: str, points: Any, **options: Any) -> Any:
        """Remember the values that come in."""
        options["update_filter"] = _as_read(options.get("update_filter"))
        done = super().upsert(collection_name, points, **options)
        self._remember(collection_name)
        return done

    def set_payload(self, collection_name: str, payload: Any, points: Any, **options: Any) -> Any:
        """Remember the values that come in."""
        selector = models.FilterSelector(filter=_as_read(points.filter))
        done = super().set_payload(collection_name, payload, selector, **options)
        self._remember(collection_name)
        return done

    def delete(self, collection_name: str, points_selector: Any, **options: Any) -> Any:
        """Select as a server does."""
        selector = models.FilterSelector(filter=_as_read(points_selector.filter))
        return super().delete(collection_name, selector, **options)

    def count(self, collection_name: str, **options: Any) -> models.CountResult:
        """Select as a server does; exact unless told otherwise."""
        self._allow(exact=options.get("exact", True))
        options["count_filter"] = _as_read(options.get("count_filter"))
        return super().count(collection_name, **options)

    def facet(self, collection_name: str, key: str, **options: Any) -> models.FacetResponse:
        """Demands a keyword index; without a filter, lists what it ever held."""
        self._allow(limit=options.get("limit"), exact=options.get("exact"))
        self._demand(collection_name, key, models.PayloadSchemaType.KEYWORD)
        matching = options["facet_filter"] = _as_read(options.get("facet_filter"))
        hits = super().facet(collection_name, key, **options).hits
        if matching is None:
            found = {hit.value for hit in hits}
            gone = self._values.get((self._resolved(collection_name), key), set()) - found
            hits += [models.FacetValueHit(value=value, count=0) for value in sorted(gone)]
        return models.FacetResponse(hits=hits[: options.get("limit", 10)])

    def scroll(self, collection_name: str, **options: Any) -> Any:
        """Ordering demands an integer index."""
        self._allow(limit=options.get("limit"))
        options["scroll_filter"] = _as_read(options.get("scroll_filter"))
        order = options.get("order_by")
        if order is not None:
            key = order if isinstance(order, str) else order.key
            self._demand(collection_name, key, models.PayloadSchemaType.INTEGER)
        return super().scroll(collection_name, **options)

    def query_batch_points(
        self, collection_name: str, requests: Sequence[models.QueryRequest], **options: Any
    ) -> Any:
        """Filtering in a search demands an index (as a server in strict mode does)."""
        for request in requests:
            self._allow(limit=request.limit, exact=request.params and request.params.exact)
            for condition in _conditions(request.filter):
                self._demand(collection_name, condition.key, models.PayloadSchemaType.KEYWORD)
        # This engine always searches exactly, and warns of parameters that say how.
        plain = [
            request.model_copy(update={"params": None, "filter": _as_read(request.filter)})
            for request in requests
        ]
        return super().query_batch_points(collection_name, plain, **options)

    def all_points(self, collection_name: str) -> list[models.Record]:
        """Everything in a collection."""
        records, _ = super().scroll(collection_name, limit=1_000_000, with_vectors=True)
        return list(records)

    def cluster_status(self) -> Any:
        """A server that is no cluster."""
        return models.ClusterStatusOneOf(status="disabled")

    def close(self, **_: Any) -> None:
        """Stays open: the data are needed by the next store of the same test."""

    def _resolved(self, name: str) -> str:
        aliases = {a.alias_name: a.collection_name for a in self.get_aliases().aliases}
        return aliases.get(name, name)

    def _allow(self, *, limit: int | None = None, exact: bool | None = None) -> None:
        strict = self.strict
        if strict is None:
            return
        if exact and strict.search_allow_exact is False:
            raise Refused(400, "Bad request: Exact search disabled!")
        if limit and strict.max_query_limit and limit > strict.max_query_limit:
            raise Refused(400, f"Bad request: Limit exceeded {limit} > {strict.max_query_limit}")

    def _remember(self, name: str) -> None:
        collection = self._resolved(name)
        for key, info in self._indexes.get(collection, {}).items():
            if info.data_type == models.PayloadSchemaType.KEYWORD:
                hits = super().facet(collection, key, limit=1_000_000).hits
                held = self._values.setdefault((collection, key), set())
                held.update(str(hit.value) for hit in hits)

    def _demand(self, collection: str, key: str, kind: models.PayloadSchemaType) -> None:
        info = self._indexes.get(self._resolved(collection), {}).get(key)
        if info is None or info.data_type != kind:
            raise Refused(400, f'Bad request: Index required but not found for "{key}"')


def _as_read(matching: models.Filter | None) -> models.Filter | None:
    """The filter as a server reads it: a `must_not` that equals a `must` is ignored."""
    if matching is None or not matching.must_not:
        return matching
    must = list(matching.must or [])
    left = [condition for condition in matching.must_not if condition not in must]
    return matching.model_copy(update={"must_not": left or None})


def _conditions(matching: models.Filter | None) -> list[models.FieldCondition]:
    if matching is None:
        return []
    every = [*(matching.must or []), *(matching.must_not or [])]
    return [c for c in every if isinstance(c, models.FieldCondition)]
