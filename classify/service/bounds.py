"""Request bodies are bounded before anything is done with them.

The framework has such a limit too, but answers in plain text, and only once it reads.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classify.service.problems import TooLarge, problem_of, response_of

JSON_BODY = 1 << 20
"""Largest body of a request without images, bytes: 10,000 ids take 400 kB."""


class BodyLimit:
    """ASGI middleware: refuses a body that is too large, announced or not."""

    def __init__(self, app: ASGIApp, *, uploads: Collection[str], max_upload: int) -> None:
        """Guard `app`.

        Args:
            app: what reads the bodies.
            uploads: paths that take images.
            max_upload: their limit, bytes; others take `JSON_BODY`.
        """
        self._app = app
        self._uploads = uploads
        self._max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 at once where the length says so, or as soon as it shows."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_upload if scope["path"] in self._uploads else JSON_BODY
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > limit:
            await response_of(problem_of(TooLarge(limit)))(scope, receive, send)
            return
        await self._app(scope, _counting(receive, limit), send)


def _counting(receive: Receive, limit: int) -> Receive:
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # The form parser lets only this class of error through unchanged.
            detail = str(TooLarge(limit))
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        return message

    return count
