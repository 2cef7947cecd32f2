"""Qdrant's REST routes over the in-memory engine, on loopback, able to fail on purpose.

The real client talks to it as to a server: requests are serialised, bounded, timed out,
repeated. It is built on the standard library's HTTP server, because faults need the socket
itself: connections that are refused, dropped after the work was done, or kept waiting.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python
from qdrant_client.http import models

from tests.holotype.store.faults import STATUS_OF, Fault, Faults
from tests.holotype.store.memory_qdrant import MemoryQdrant, Refused

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Qdrant's default `max_request_size_mb`."""

_HOLD_AT_MOST_S = 30.0
"""Safety net for a request that is kept waiting; clients of tests give up much sooner."""

Answer = Callable[[MemoryQdrant, str, Any], Any]


@dataclass(frozen=True)
class Route:
    """One route: its name for faults and counting, and what it does."""

    name: str
    method: str
    path: str
    """`{c}` stands for a collection or alias."""
    answer: Answer
    body: type[BaseModel] | None = None
    file: bool = False
    """Whether a file comes in, or goes out, instead of JSON."""

    def match(self, method: str, path: str) -> str | None:
        """The collection in `path` ("" where the route has none), None where it differs."""
        pattern = re.escape(self.path).replace(re.escape("{c}"), "([^/]+)")
        found = re.fullmatch(pattern, path) if method == self.method else None
        return None if found is None else "".join(found.groups())


def _create(q: MemoryQdrant, c: str, b: models.CreateCollection) -> bool:
    if q.collection_exists(c):
        raise Refused(409, f"Wrong input: Collection `{c}` already exists!")
    return q.create_collection(c, vectors_config=b.vectors, metadata=b.metadata)


def _upsert(q: MemoryQdrant, c: str, b: models.PointsList) -> Any:
    return q.upsert(c, b.points, update_filter=b.update_filter, update_mode=b.update_mode)


def _set_payload(q: MemoryQdrant, c: str, b: models.SetPayload) -> Any:
    return q.set_payload(c, b.payload, models.FilterSelector(filter=b.filter))


def _delete(q: MemoryQdrant, c: str, b: models.FilterSelector) -> Any:
    return q.delete(c, b)


def _retrieve(q: MemoryQdrant, c: str, b: models.PointRequest) -> Any:
    return q.retrieve(c, b.ids, with_payload=_or_all(b.with_payload), with_vectors=b.with_vector)


def _scroll(q: MemoryQdrant, c: str, b: models.ScrollRequest) -> models.ScrollResult:
    records, following = q.scroll(
        c,
        scroll_filter=b.filter,
        limit=b.limit or 10,
        offset=b.offset,
        with_payload=_or_all(b.with_payload),
        with_vectors=b.with_vector or False,
        order_by=b.order_by,
    )
    return models.ScrollResult(points=records, next_page_offset=following)


def _facet(q: MemoryQdrant, c: str, b: models.FacetRequest) -> Any:
    return q.facet(c, b.key, facet_filter=b.filter, limit=b.limit or 10, exact=b.exact or False)


def _or_all(with_payload: Any) -> Any:
    return True if with_payload is None else with_payload


def _index(q: MemoryQdrant, c: str, b: models.CreateFieldIndex) -> Any:
    return q.create_payload_index(c, b.field_name, b.field_schema)


def _count(q: MemoryQdrant, c: str, b: models.CountRequest) -> Any:
    return q.count(c, count_filter=b.filter, exact=b.exact is not False)


def _search(q: MemoryQdrant, c: str, b: models.QueryRequestBatch) -> Any:
    return q.query_batch_points(c, b.searches)


def _update_aliases(q: MemoryQdrant, _: str, b: models.ChangeAliasesOperation) -> Any:
    return q.update_collection_aliases(b.actions)


def _cluster(q: MemoryQdrant, _: str, __: None) -> Any:
    return q.cluster_status()


def _placement(q: MemoryQdrant, c: str, _: None) -> dict[str, Any]:
    """The one shard of a collection, on this node."""
    points = q.count(c).count
    shard = {"shard_id": 0, "points_count": points, "state": "Active"}
    return {
        "peer_id": 1,
        "shard_count": 1,
        "local_shards": [shard],
        "remote_shards": [],
        "shard_transfers": [],
    }


def _snapshot(q: MemoryQdrant, c: str, _: None) -> dict[str, Any]:
    points = [{"id": r.id, "vector": r.vector, "payload": r.payload} for r in q.all_points(c)]
    q.snapshots[c] = json.dumps(points).encode()
    return {"name": "made", "size": len(q.snapshots[c])}


def _download(q: MemoryQdrant, c: str, _: None) -> bytes:
    if c not in q.snapshots:
        raise Refused(404, "Not found: Snapshot made")
    return q.snapshots[c]


def _forget_snapshot(q: MemoryQdrant, c: str, _: None) -> bool:
    return q.snapshots.pop(c, None) is not None


def _upload(q: MemoryQdrant, c: str, form: bytes) -> bool:
    """A form of one file: its bytes lie between an empty line and the last boundary."""
    records = json.loads(form.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0])
    if records:
        q.upsert(c, [models.PointStruct(**r) for r in records])
    return True


def _exists(q: MemoryQdrant, c: str, _: None) -> dict[str, bool]:
    return {"exists": q.collection_exists(c)}


def _of_server(method: Callable[[MemoryQdrant], Any]) -> Answer:
    return lambda q, _c, _b: getattr(q, method.__name__)()


def _of_collection(method: Callable[[MemoryQdrant, str], Any]) -> Answer:
    return lambda q, c, _b: getattr(q, method.__name__)(c)


_C = "/collections/{c}"
_P = "/collections/{c}/points"
_S = "/collections/{c}/shards/0/snapshots"

ROUTES = (
    Route("version", "GET", "/", _of_server(MemoryQdrant.info)),
    Route("collections", "GET", "/collections", _of_server(MemoryQdrant.get_collections)),
    Route("aliases", "GET", "/aliases", _of_server(MemoryQdrant.get_aliases)),
    Route(
        "update_aliases",
        "POST",
        "/collections/aliases",
        _update_aliases,
        models.ChangeAliasesOperation,
    ),
    Route("exists", "GET", f"{_C}/exists", _exists),
    Route("create", "PUT", _C, _create, models.CreateCollection),
    Route("collection", "GET", _C, _of_collection(MemoryQdrant.get_collection)),
    Route("drop", "DELETE", _C, _of_collection(MemoryQdrant.delete_collection)),
    Route("index", "PUT", f"{_C}/index", _index, models.CreateFieldIndex),
    Route("facet", "POST", f"{_C}/facet", _facet, models.FacetRequest),
    Route("upsert", "PUT", _P, _upsert, models.PointsList),
    Route("retrieve", "POST", _P, _retrieve, models.PointRequest),
    Route("scroll", "POST", f"{_P}/scroll", _scroll, models.ScrollRequest),
    Route("count", "POST", f"{_P}/count", _count, models.CountRequest),
    Route("search", "POST", f"{_P}/query/batch", _search, models.QueryRequestBatch),
    Route("set_payload", "POST", f"{_P}/payload", _set_payload, models.SetPayload),
    Route("delete", "POST", f"{_P}/delete", _delete, models.FilterSelector),
    Route("cluster", "GET", "/cluster", _cluster),
    Route("placement", "GET", f"{_C}/cluster", _placement),
    Route("snapshot", "POST", _S, _snapshot),
    Route("download", "GET", f"{_S}/made", _download, file=True),
    Route("forget_snapshot", "DELETE", f"{_S}/made", _forget_snapshot),
    Route("upload", "POST", f"{_S}/upload", _upload, file=True),
)

WITHOUT_COLLECTION = {
    "version",
    "collections",
    "aliases",
    "update_aliases",
    "exists",
    "create",
    "drop",
    "cluster",
}


def _demand_collection(engine: MemoryQdrant, route: Route, collection: str) -> None:
    if route.name not in WITHOUT_COLLECTION and not engine.collection_exists(collection):
        raise Refused(404, f"Not found: Collection `{collection}` doesn't exist!")


@dataclass(frozen=True)
class Request:
    """A request that arrived, failed ones too."""

    operation: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int
    """Bytes of the body."""
    body: Any
    """The parsed JSON."""


@dataclass
class QdrantHttp:
    """The app on a free port of the loopback address."""

    engine: MemoryQdrant = field(default_factory=MemoryQdrant)
    api_key: str | None = None
    """Demanded on every route but `/`, as a server does."""
    version: str | None = None
    """Claimed instead of the engine's."""
    certificate: Path | None = None
    """PEM with key and certificate: serve https."""
    faults: Faults = field(default_factory=Faults)
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None
    _timers: list[threading.Timer] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """For HOLOTYPE_QDRANT_URL."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join()
        self.refuse()

    def listen(self) -> None:
        """Take connections, on the same port as before; fine where it does so already."""
        with self._guard:
            if self._server is not None:
                return
            server = _Server(("127.0.0.1", self.port), _handler_for(self))
            if self.certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.certificate)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            self.port = server.server_address[1]
            self._thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            self._thread.start()
            self._server = server

    def refuse(self) -> None:
        """Refuse connections until `listen`; requests that are running go on."""
        with self._guard:
            if self._server is None or self._thread is None:
                return
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    def refuse_for(self, seconds: float | None) -> None:
        """Refuse connections for so long; None: until `listen`."""
        self.refuse()
        if seconds is not None:
            timer = threading.Timer(seconds, self.listen)
            self._timers.append(timer)
            timer.start()

    def count(self, operation: str) -> int:
        """How many requests for this operation arrived."""
        return sum(request.operation == operation for request in self.requests)

    def points(self, collection: str) -> list[models.Record]:
        """All points of a collection, read past HTTP and faults."""
        return self.engine.all_points(collection)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False  # a request that is kept waiting must not hold up `refuse`

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what these tests are about."""


def _handler_for(app: QdrantHttp) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.app = app
    return Handler


class _Handler(BaseHTTPRequestHandler):
    app: QdrantHttp
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815  the base class calls them by these names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as in the base class
        """Quiet."""

    def _handle(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        found = [(r, c) for r in ROUTES if (c := r.match(self.command, path)) is not None]
        if not found:
            self._send(404, {"status": {"error": f"no route {self.command} {path}"}})
            return
        route, collection = found[0]
        body = json.loads(data) if data and not route.file else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.app.requests.append(
            Request(route.name, path, dict(parse_qsl(query)), headers, len(data), body)
        )
        struck = self.app.faults.take(route.name)
        if struck is None:
            self._send(*self._answer(route, collection, data))
        else:
            self._fail(route, collection, data, *struck)

    def _answer(self, route: Route, collection: str, data: bytes) -> tuple[int, Any]:
        app = self.app
        if app.api_key and route.name != "version" and self.headers["api-key"] != app.api_key:
            return 401, {"status": {"error": "Must provide an API key or an Authorization token"}}
        if len(data) > MAX_BODY_BYTES:
            return 413, {"status": {"error": f"JSON payload ({len(data)} bytes) is too large"}}
        try:
            body = route.body.model_validate_json(data) if route.body else data or None
            with app.engine.lock:
                _demand_collection(app.engine, route, collection)
                result = route.answer(app.engine, collection, body)
        except Refused as refusal:
            return refusal.status, {"status": {"error": str(refusal)}}
        except (ValidationError, ValueError) as error:
            return 400, {"status": {"error": str(error)}}
        if isinstance(result, bytes):
            return 200, result
        result = to_jsonable_python(result)
        if route.name == "version":
            return 200, result | ({"version": app.version} if app.version else {})
        return 200, {"result": result, "status": "ok", "time": 0.0}

    def _fail(
        self, route: Route, collection: str, data: bytes, fault: Fault, reopen: float | None
    ) -> None:
        if fault in STATUS_OF:
            pause = "Wed, 21 Oct 2015 07:28:00 GMT" if fault is Fault.COME_BACK_AT else "0"
            answer = {"status": {"error": f"made to fail with {fault}"}}
            self._send(STATUS_OF[fault], answer, pause=pause)
            return
        if fault is Fault.NULL:
            self._send(200, {"result": None, "status": "ok", "time": 0.0})
            return
        if fault is Fault.NOT_JSON:
            self._send(200, "<html>a router's login page</html>")
            return
        if fault in (Fault.LOST_ANSWER, Fault.LATE_ANSWER):
            self._answer(route, collection, data)
        if fault is Fault.REFUSED:
            self.app.refuse_for(reopen)
        if fault in (Fault.TIMEOUT, Fault.LATE_ANSWER):
            self._wait_until_client_leaves()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _wait_until_client_leaves(self) -> None:
        self.connection.settimeout(_HOLD_AT_MOST_S)
        while self.connection.recv(4096):
            pass

    def _send(self, status: int, content: Any, *, pause: str = "0") -> None:
        data = content.encode() if isinstance(content, str) else content
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", pause)
        self.end_headers()
        self.wfile.write(data)
