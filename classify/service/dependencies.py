"""What routes ask for, as types."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from classify.service.access_control import WHO, require
from classify.service.keys import Scope
from classify.service.service import Service
from holotype.errors import ServiceError
from holotype.store.port import VectorStore

T = TypeVar("T")

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that left before its answer; for the metrics, nobody reads it."""

# The gate checks the key; this only makes it part of the OpenAPI document.
_documented = HTTPBearer(auto_error=False, description="A key of HOLOTYPE_API_KEYS.")


class ClientGone(ServiceError):
    """The client went away before its answer."""

    def __init__(self) -> None:
        super().__init__("the client went away", status=CLIENT_CLOSED_REQUEST)


def _service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


def _store(request: Request) -> VectorStore:
    return _service(request).store


def _key_name(request: Request) -> str | None:
    name: str | None = request.scope.get(WHO)
    return name


def _may_read(request: Request, _key: Annotated[object, Security(_documented)]) -> None:
    require(request.scope, Scope.READ)


def _may_write(request: Request, _key: Annotated[object, Security(_documented)]) -> None:
    require(request.scope, Scope.WRITE)


ServiceDep = Annotated[Service, Depends(_service)]
StoreDep = Annotated[VectorStore, Depends(_store)]
KeyNameDep = Annotated[str | None, Depends(_key_name)]
"""What the key of the request is called."""
READ = Depends(_may_read)
WRITE = Depends(_may_write)


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Wait for `work`, or drop it when the client goes away; the body must have been read.

    Raises:
        ClientGone: nobody waits for the answer any more.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        _service(request).metrics.left()
        raise ClientGone
    finally:
        working.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
