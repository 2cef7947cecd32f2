"""What is under way is bounded before anything is done with it: images in number, bodies in size.

The framework has a limit of size too, but answers in plain text, and only once it reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classify.service.problems import QueueFull, TooLarge, problem_of, response_of

JSON_BODY = 1 << 20
"""Largest body of a request without images or vectors, bytes: 10,000 ids take 400 kB."""

VECTORS_BODY = 8 << 20
"""Largest body with vectors, bytes: 64 of 4,096 numbers take 6 MB. Reading so much JSON holds
everybody else up for a quarter of a second."""

BYTES_PER_PLACE = 1 << 20
"""How much of an upload is taken for an image until its images have been counted."""


class Places:
    """A fixed number of places. Taken all or none, given back whatever happens."""

    def __init__(self, limit: int, *, refused: Callable[[], None] = lambda: None) -> None:
        """Nothing is under way yet.

        Args:
            limit: how many there are.
            refused: told whenever there were too few.
        """
        self.limit = limit
        self._refused = refused
        self._taken = 0
        self._guard = threading.Lock()

    @property
    def taken(self) -> int:
        """Images under way."""
        return self._taken

    def take(self, n: int) -> None:
        """Take n places.

        Raises:
            QueueFull: fewer are free.
        """
        with self._guard:
            if self._taken + n <= self.limit:
                self._taken += n
                return
            taken = self._taken
        self._refused()
        raise QueueFull(wanted=n, taken=taken, limit=self.limit)

    def give_back(self, n: int) -> None:
        """Give n places back."""
        with self._guard:
            self._taken -= n


class BodyLimit:
    """ASGI middleware: refuses a body that is too large, announced or not, or one too many.

    An upload has its places before it is read: as many as it may hold images by its size.
    They are given back once it has been read; whoever then works on its images takes theirs.
    """

    def __init__(self, app: ASGIApp, *, uploads: Mapping[str, int], places: Places) -> None:
        """Guard `app`.

        Args:
            app: what reads the bodies.
            uploads: paths that take images or vectors, and how many bytes; others take
                `JSON_BODY`.
            places: of the images under way.
        """
        self._app = app
        self._uploads = uploads
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 at once where the length says so, or as soon as it shows; 503 when full."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        uploads = scope["method"] == "POST" and scope["path"] in self._uploads
        limit = self._uploads[scope["path"]] if uploads else JSON_BODY
        announced = Headers(scope=scope).get("content-length", "")
        size = int(announced) if announced.isdigit() else limit
        if size > limit:
            await response_of(problem_of(TooLarge(limit)))(scope, receive, send)
            return
        try:
            held = _Held(self._places, -(-size // BYTES_PER_PLACE) if uploads else 0)
        except QueueFull as refusal:
            await response_of(problem_of(refusal))(scope, receive, send)
            return
        try:
            await self._app(scope, _counting(receive, limit, held.give_back), send)
        finally:
            held.give_back()


class _Held:
    """Places of one body. At most all there are: the largest body can be read, alone."""

    def __init__(self, places: Places, n: int) -> None:
        self._places = places
        self._n = min(n, places.limit)
        places.take(self._n)

    def give_back(self) -> None:
        self._places.give_back(self._n)
        self._n = 0


def _counting(receive: Receive, limit: int, at_end: Callable[[], None]) -> Receive:
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # The form parser lets only this class of error through unchanged.
            detail = str(TooLarge(limit))
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        if not message.get("more_body", False):
            at_end()
        return message

    return count
