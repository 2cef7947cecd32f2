"""Qdrant's gRPC services over the in-memory engine, on loopback.

The same place as `qdrant_http`, by the other protocol: it proves that the client's
conversions carry what the store relies on (conditions on upserts, metadata, exact facets),
and that gRPC failures become the same errors.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from qdrant_client import grpc as q
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.http import models

from tests.holotype.store.memory_qdrant import MemoryQdrant, Refused

_INDEXES = {
    q.FieldType.FieldTypeKeyword: models.PayloadSchemaType.KEYWORD,
    q.FieldType.FieldTypeInteger: models.PayloadSchemaType.INTEGER,
    q.FieldType.FieldTypeFloat: models.PayloadSchemaType.FLOAT,
}

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
}


@dataclass(frozen=True)
class Call:
    """A call that arrived."""

    method: str
    """`Upsert`, `Scroll`, ..."""
    metadata: dict[str, str]


@dataclass
class QdrantGrpc:
    """The services on a free port of the loopback address."""

    engine: MemoryQdrant = field(default_factory=MemoryQdrant)
    api_key: str | None = None
    failing: dict[str, list[grpc.StatusCode]] = field(default_factory=dict)
    """Method -> codes with which its next calls fail, undone."""
    calls: list[Call] = field(default_factory=list)
    port: int = 0
    _server: grpc.Server | None = None

    def __enter__(self) -> Self:
        server = grpc.server(ThreadPoolExecutor(4), interceptors=[_Gate(self)])
        q.add_QdrantServicer_to_server(_Root(self.engine), server)
        q.add_CollectionsServicer_to_server(_Collections(self.engine), server)
        q.add_PointsServicer_to_server(_Points(self.engine), server)
        self.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop(grace=None).wait()

    def count(self, method: str) -> int:
        """How many calls of this method arrived."""
        return sum(call.method == method for call in self.calls)


class _Gate(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc ships no types
    """Counts calls, asks for the key, fails on purpose."""

    def __init__(self, app: QdrantGrpc) -> None:
        self.app = app

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        metadata = {item.key: item.value for item in details.invocation_metadata}
        self.app.calls.append(Call(method, metadata))
        codes = self.app.failing.get(method)
        if codes:
            return _refusal(codes.pop(0), "made to fail")
        wants_key = self.app.api_key is not None and method != "HealthCheck"
        if wants_key and metadata.get("api-key") != self.app.api_key:
            return _refusal(grpc.StatusCode.UNAUTHENTICATED, "Invalid API key")
        return continuation(details)


def _refusal(code: grpc.StatusCode, message: str) -> Any:
    return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(code, message))


class _Root(q.QdrantServicer):  # type: ignore[misc]
    def __init__(self, engine: MemoryQdrant) -> None:
        self.engine = engine

    def HealthCheck(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's names, here and below
        info = self.engine.info()
        return q.HealthCheckReply(title=info.title, version=info.version)


class _Collections(q.CollectionsServicer):  # type: ignore[misc]
    def __init__(self, engine: MemoryQdrant) -> None:
        self.engine = engine

    def CollectionExists(self, r: Any, _: Any) -> Any:  # noqa: N802
        exists = self.engine.collection_exists(r.collection_name)
        return q.CollectionExistsResponse(result=q.CollectionExists(exists=exists))

    def Get(self, r: Any, context: Any) -> Any:  # noqa: N802
        info = _done(context, self.engine.get_collection, r.collection_name)
        return q.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    def Create(self, r: Any, context: Any) -> Any:  # noqa: N802
        if self.engine.collection_exists(r.collection_name):
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "Collection already exists!")
        self.engine.create_collection(
            r.collection_name,
            vectors_config=GrpcToRest.convert_vectors_config(r.vectors_config),
            metadata=GrpcToRest.convert_payload(r.metadata) or None,
        )
        return q.CollectionOperationResponse(result=True)

    def UpdateAliases(self, r: Any, _: Any) -> Any:  # noqa: N802
        actions = [GrpcToRest.convert_alias_operations(action) for action in r.actions]
        self.engine.update_collection_aliases(actions)
        return q.CollectionOperationResponse(result=True)


class _Points(q.PointsServicer):  # type: ignore[misc]
    def __init__(self, engine: MemoryQdrant) -> None:
        self.engine = engine

    def Upsert(self, r: Any, context: Any) -> Any:  # noqa: N802
        points = [GrpcToRest.convert_point_struct(point) for point in r.points]
        only_if = _filter(r, "update_filter")
        _done(context, self.engine.upsert, r.collection_name, points, update_filter=only_if)
        return _completed()

    def Delete(self, r: Any, context: Any) -> Any:  # noqa: N802
        selector = GrpcToRest.convert_points_selector(r.points)
        _done(context, self.engine.delete, r.collection_name, selector)
        return _completed()

    def SetPayload(self, r: Any, context: Any) -> Any:  # noqa: N802
        selector = GrpcToRest.convert_points_selector(r.points_selector)
        payload = GrpcToRest.convert_payload(r.payload)
        _done(context, self.engine.set_payload, r.collection_name, payload, selector)
        return _completed()

    def CreateFieldIndex(self, r: Any, context: Any) -> Any:  # noqa: N802
        kind = _INDEXES[r.field_type]
        _done(context, self.engine.create_payload_index, r.collection_name, r.field_name, kind)
        return _completed()

    def Get(self, r: Any, context: Any) -> Any:  # noqa: N802
        records = _done(
            context,
            self.engine.retrieve,
            r.collection_name,
            [GrpcToRest.convert_point_id(point_id) for point_id in r.ids],
            with_payload=GrpcToRest.convert_with_payload_selector(r.with_payload),
            with_vectors=GrpcToRest.convert_with_vectors_selector(r.with_vectors),
        )
        return q.GetResponse(result=[_record(record) for record in records])

    def Scroll(self, r: Any, context: Any) -> Any:  # noqa: N802
        records, following = _done(
            context,
            self.engine.scroll,
            r.collection_name,
            scroll_filter=_filter(r, "filter"),
            limit=r.limit,
            offset=GrpcToRest.convert_point_id(r.offset) if r.HasField("offset") else None,
            with_payload=GrpcToRest.convert_with_payload_selector(r.with_payload),
            with_vectors=GrpcToRest.convert_with_vectors_selector(r.with_vectors),
            order_by=GrpcToRest.convert_order_by(r.order_by) if r.HasField("order_by") else None,
        )
        next_page = None if following is None else RestToGrpc.convert_extended_point_id(following)
        return q.ScrollResponse(
            result=[_record(record) for record in records],
            next_page_offset=next_page,
        )

    def Count(self, r: Any, context: Any) -> Any:  # noqa: N802
        found = _done(
            context,
            self.engine.count,
            r.collection_name,
            count_filter=_filter(r, "filter"),
            exact=r.exact or not r.HasField("exact"),
        )
        return q.CountResponse(result=q.CountResult(count=found.count))

    def QueryBatch(self, r: Any, context: Any) -> Any:  # noqa: N802
        requests = [GrpcToRest.convert_query_points(points) for points in r.query_points]
        answers = _done(context, self.engine.query_batch_points, r.collection_name, requests)
        batches = [
            q.BatchResult(result=[RestToGrpc.convert_scored_point(p) for p in answer.points])
            for answer in answers
        ]
        return q.QueryBatchResponse(result=batches)

    def Facet(self, r: Any, context: Any) -> Any:  # noqa: N802
        found = _done(
            context,
            self.engine.facet,
            r.collection_name,
            r.key,
            facet_filter=_filter(r, "filter"),
            limit=r.limit,
            exact=r.exact,
        )
        return q.FacetResponse(hits=[RestToGrpc.convert_facet_value_hit(h) for h in found.hits])


def _done(context: Any, method: Callable[..., Any], name: str, *args: Any, **options: Any) -> Any:
    """What the engine says, its refusals as gRPC codes."""
    try:
        return method(name, *args, **options)
    except Refused as refusal:
        context.abort(_CODES[refusal.status], str(refusal))
    except ValueError as error:
        missing = "not found" in str(error)
        code = grpc.StatusCode.NOT_FOUND if missing else grpc.StatusCode.INVALID_ARGUMENT
        context.abort(code, str(error))


def _filter(request: Any, name: str) -> models.Filter | None:
    return GrpcToRest.convert_filter(getattr(request, name)) if request.HasField(name) else None


def _record(record: models.Record) -> Any:
    return RestToGrpc.convert_record(record.model_copy(update={"payload": record.payload or {}}))


def _completed() -> Any:
    return q.PointsOperationResponse(
        result=q.UpdateResult(operation_id=0, status=q.UpdateStatus.Completed)
    )
