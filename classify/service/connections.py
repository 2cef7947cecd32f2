"""What a client may do to a connection, and how the service ends whatever clients do.

uvicorn limits how long a connection may be idle between requests, and nothing else: a client
that sends half a head, a body a byte a minute, or never takes its answer is waited for, for
ever and at the end of the service too. Here it may keep the service waiting for `patience_s`
at each of these; a body must bring `PIECE` bytes in that time. Beyond `most` connections, the
one that has asked nothing for the longest time gives way.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import h11
import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from classify.service.problems import problem_of, response_of
from holotype.errors import ServiceError

if TYPE_CHECKING:
    from holotype.settings import Settings

PIECE = 16 << 10
"""Bytes of a body that must come within the patience."""

LINGER_S = 5.0
"""How long the rest of a body that nobody reads is taken in, so that the client reads its
refusal instead of a connection that was reset (as nginx's `lingering_timeout`)."""

GRACE_S = 5.0
"""How long a shutdown waits for clients; a container is given 10 s by default."""


def make_server(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """The server of an app, with the limits of the settings."""
    protocol = partial(
        Connection, patience_s=settings.client_timeout, most=settings.max_connections
    )
    config = uvicorn.Config(
        Farewell(app),
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        log_config=None,
        access_log=False,
        limit_concurrency=settings.max_connections + 1,  # it counts the one that asks, too
        timeout_keep_alive=math.ceil(settings.client_timeout),
        timeout_graceful_shutdown=math.ceil(GRACE_S) + 1,
    )
    return uvicorn.Server(config)


class TooSlow(ServiceError):
    """The client took too long to send its request."""

    def __init__(self) -> None:
        super().__init__(
            "the rest of the request did not come in time: send it faster, or in smaller pieces",
            status=HTTPStatus.REQUEST_TIMEOUT,
        )


class NotHttp(ServiceError):
    """What came cannot be read as a request."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=HTTPStatus.BAD_REQUEST)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, with an end to its patience."""

    def __init__(self, *, patience_s: float, most: int, **of_the_server: Any) -> None:
        """As uvicorn makes it.

        Args:
            patience_s: how long a client may keep the service waiting, seconds.
            most: connections at a time.
            of_the_server: what uvicorn gives to a protocol.
        """
        super().__init__(**of_the_server)
        self._most = most
        self._received = 0
        """Bytes of the body since the clock was last set."""
        self._unsent = 0
        """Bytes of the answer when the clock was last set."""
        self._sending = _Clock(self.loop, patience_s, self._not_taken)
        self._receiving = _Clock(self.loop, patience_s, self._not_sent)

    @property
    def asks_nothing(self) -> bool:
        """Whether no request of it is under way."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def heard_at(self) -> float:
        """When it began to be waited for, the last time; seconds of the loop's clock."""
        return self._receiving.set_at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: its request's head is waited for."""
        super().connection_made(transport)
        self._receiving.set()
        if len(self.connections) > self._most:
            others = [c for c in self.connections if isinstance(c, Connection) and c.asks_nothing]
            longest = min(others, key=lambda c: c.heard_at, default=self)
            self.connections.discard(longest)  # now: those that count must not count it any more
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._receiving.stop()
        self._sending.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request came: is more of it needed?"""
        before = self.conn.their_state
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._received += len(data)
            if before is not h11.SEND_BODY or self._received >= PIECE:
                self._receiving.set()
                self._received = 0
        elif state is not h11.IDLE:
            self._receiving.stop()
        elif not self._receiving.runs:
            self._receiving.set()
        self._watch_close()

    def on_response_complete(self) -> None:
        """An answer is written, though perhaps not taken."""
        super().on_response_complete()
        self._watch_close()

    def timeout_keep_alive_handler(self) -> None:
        """No next request came."""
        super().timeout_keep_alive_handler()
        self._watch_close()

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is made."""
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._sending.stop()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self.transport.write(_whole_answer(NotHttp(msg)))
        self.transport.close()

    def shutdown(self) -> None:
        """The service ends: what is under way may go on for a while."""
        super().shutdown()
        self.loop.call_later(GRACE_S, self.transport.abort)

    def _watch_sending(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._sending.set()

    def _watch_close(self) -> None:
        """A closed connection stays until its last answer was taken."""
        if self.transport.is_closing() and not self._sending.runs:
            self._watch_sending()

    def _not_taken(self) -> None:
        if self.transport.get_write_buffer_size() > self._unsent - PIECE:
            self.transport.abort()
        else:
            self._watch_sending()

    def _not_sent(self) -> None:
        if self.flow.read_paused:
            self._receiving.set()  # it is we who do not take what it sends
            return
        waiting = self.cycle is not None and not self.cycle.response_complete
        if waiting:
            self.cycle.disconnected = True  # whoever reads the body is told so, and ends
            self.cycle.message_event.set()
        half = waiting and not self.cycle.response_started
        if half or self.conn.trailing_data[0]:
            self.transport.write(_whole_answer(TooSlow()))
        self.transport.close()
        self._watch_close()


def _whole_answer(error: ServiceError) -> bytes:
    """An answer from below the app, head and body, after which the connection ends."""
    response = response_of(problem_of(error))
    head = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
    status = HTTPStatus(response.status_code)
    start = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\n"
    return start.encode() + head + b"\r\n" + bytes(response.body)


class _Clock:
    """Calls `late` unless it is set again, or stopped, in time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, late: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self.set_at = loop.time()

    @property
    def runs(self) -> bool:
        return self._timer is not None

    def set(self) -> None:
        self.stop()
        self.set_at = self._loop.time()
        self._timer = self._loop.call_later(self._seconds, self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        self._late()


class Farewell:
    """ASGI middleware, the outermost: a request that is answered unread ends its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does; then, where it has not read the body, part."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        unread = _has_body(Headers(scope=scope))

        async def receiving() -> Message:
            nonlocal unread
            message = await receive()
            unread = message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            elif unread and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await _pass_over(receive)
                message = {"type": "http.response.body"}
            await send(message)

        # At the end of the service, uvicorn cancels what is under way, and would log a traceback.
        with suppress(asyncio.CancelledError):
            await self._app(scope, receiving, sending)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _pass_over(receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
