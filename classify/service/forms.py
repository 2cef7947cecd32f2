"""Forms with pictures: what is none is refused with the right call, before it is read.

The framework takes whatever comes for a form without fields, and a form that breaks off for
one that ends there: the picture that was cut is then left out without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus

from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classify.service import keys
from classify.service.access_control import require
from classify.service.problems import NotAForm, address_of, problem_of, response_of
from holotype.errors import ServiceError

EPILOGUE = 256
"""Bytes that may follow the end of a form: a line break, and hardly ever more."""

BROKEN_OFF = (
    "the form breaks off before its end: what the boundary of its Content-Type ends never came. "
    "Nothing of it was used; send it again"
)


class Forms:
    """ASGI middleware: lets whole forms through to the paths that take some.

    The framework reads a body before it asks what the key may do: that is asked here, first.
    """

    def __init__(
        self, app: ASGIApp, *, takes: Collection[str], uploads: Mapping[str, keys.Scope]
    ) -> None:
        """Guard `app`.

        Args:
            app: what reads the bodies.
            takes: paths that take forms with pictures, by POST.
            uploads: all that take large bodies, and what a key must be good for there.
        """
        self._app = app
        self._takes = takes
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the app where no form comes, or nobody looks at pictures."""
        wanted = self._uploads.get(scope["path"]) if scope["type"] == "http" else None
        if wanted is not None and scope["method"] == "POST":
            try:
                require(scope, wanted)
                if scope["path"] in self._takes:
                    connection = HTTPConnection(scope)
                    connection.app.state.service.require_pictures()
                    boundary = _boundary_of(connection)
                    receive = _to_the_end(receive, b"--" + boundary + b"--")
            except ServiceError as refusal:
                await response_of(problem_of(refusal))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _boundary_of(request: HTTPConnection) -> bytes:
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    boundary = parameters.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise NotAForm(kind.decode("latin-1"), address_of(request))
    return boundary


def _to_the_end(receive: Receive, end: bytes) -> Receive:
    tail = b""
    kept = len(end) + EPILOGUE

    async def checked() -> Message:
        nonlocal tail
        message = await receive()
        tail = (tail + message.get("body", b"")[-kept:])[-kept:]
        whole = message["type"] == "http.request" and not message.get("more_body", False)
        if whole and end not in tail:
            # The form parser lets only this class of error through unchanged.
            raise HTTPException(HTTPStatus.BAD_REQUEST, BROKEN_OFF)
        return message

    return checked
