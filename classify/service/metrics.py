"""What the service counts and times, for Prometheus.

Each service has a registry of its own: two in one process, as in tests, do not mix.
Buckets are seconds from a vote (under a millisecond) to a large batch on a slow CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classify.answering.answers import Answer
from holotype.outcomes import FileOutcome

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
UNROUTED = "(none)"
"""The route of a request to a path that does not exist: paths are not labels."""


class Metrics:
    """The instruments of one service, named for what is observed."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "holotype_requests", "HTTP requests.", ["method", "route", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "holotype_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["method", "route"],
            buckets=SECONDS,
            registry=registry,
        )
        self._step_seconds = Histogram(
            "holotype_step_seconds",
            "decode: one image. encode, search, vote: one batch.",
            ["step"],
            buckets=SECONDS,
            registry=registry,
        )
        self._batch_size = Histogram(
            "holotype_batch_size",
            "Images per call of the encoder, requests per call of the store.",
            ["step"],
            buckets=SIZES,
            registry=registry,
        )
        self._answers = Counter(
            "holotype_answers",
            "Answers, by who gave them and by their state: answered, unsure or unknown.",
            ["mode", "state"],
            registry=registry,
        )
        self._broken = Counter(
            "holotype_broken_images", "Queries that could not be read.", registry=registry
        )
        self._outcomes = Counter(
            "holotype_outcomes", "Images sent to be added.", ["outcome"], registry=registry
        )
        self._doubts = Counter(
            "holotype_doubts",
            "Queries kept for review, and requests that could not be looked at for it.",
            ["outcome"],
            registry=registry,
        )
        self._refused = Counter(
            "holotype_refused", "Requests refused because the queue was full.", registry=registry
        )
        self._gone = Counter(
            "holotype_clients_gone", "Clients that left before their answer.", registry=registry
        )
        self._queue = Gauge("holotype_queue_length", "Images under way.", registry=registry)
        self._queue_limit = Gauge(
            "holotype_queue_limit", "Images that may be under way.", registry=registry
        )
        self._references = Gauge(
            "holotype_references", "References in the gallery.", registry=registry
        )
        self._classes = Gauge("holotype_classes", "Classes in the gallery.", registry=registry)
        self._head = Gauge(
            "holotype_head", "1 for the active head.", ["version"], registry=registry
        )

    # -- events ---------------------------------------------------------------------

    def requested(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def stepped(self, step: str, seconds: float) -> None:
        """A step (decode, encode, search, vote) took this long."""
        self._step_seconds.labels(step).observe(seconds)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Time a step that the block is."""
        started = time.perf_counter()
        yield
        self.stepped(step, time.perf_counter() - started)

    def batched(self, step: str, size: int) -> None:
        """A batch of this size was worked on."""
        self._batch_size.labels(step).observe(size)

    def answered(self, answers: Iterable[Answer]) -> None:
        """Queries were answered."""
        for answer in answers:
            self._answers.labels(answer.mode.value, answer.state).inc()

    def broke(self) -> None:
        """A query could not be read."""
        self._broken.inc()

    def added(self, outcomes: Iterable[FileOutcome]) -> None:
        """Images were sent to be added."""
        for outcome in outcomes:
            self._outcomes.labels(outcome.outcome.value).inc()

    def doubted(self, outcome: str) -> None:
        """A query was kept for review, or a request was dropped or failed on its way there."""
        self._doubts.labels(outcome).inc()

    def refused(self) -> None:
        """The queue was full."""
        self._refused.inc()

    def left(self) -> None:
        """A client went away before its answer."""
        self._gone.inc()

    # -- the page that Prometheus reads ---------------------------------------------

    def page(
        self, *, queue: int, queue_limit: int, counts: Mapping[str, int], head: str | None
    ) -> bytes:
        """All of it as text, with what is true at this moment."""
        self._queue.set(queue)
        self._queue_limit.set(queue_limit)
        self._references.set(sum(counts.values()))
        self._classes.set(len(counts))
        self._head.clear()
        if head is not None:
            self._head.labels(head).set(1)
        return generate_latest(self._registry)


class Timing:
    """ASGI middleware that counts and times requests by route."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note its status and time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._metrics.requested(
                method=scope["method"],
                route=_route(scope),
                status=status,
                seconds=time.perf_counter() - started,
            )


def _route(scope: Scope) -> str:
    path: str | None = getattr(scope.get("route"), "path", None)
    return path if path is not None else UNROUTED
