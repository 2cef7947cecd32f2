"""Puts the service together; nothing else happens here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from classify.service import openapi, problems
from classify.service.access_control import AccessControl
from classify.service.forms import Forms
from classify.service.keys import Keyring, Scope, is_loopback
from classify.service.limits import VECTORS_BODY, BodyLimit
from classify.service.metrics import Timing
from classify.service.page import serve_page
from classify.service.routes import (
    classes,
    classify,
    curate,
    curation_map,
    heads,
    health,
    history,
    maintenance,
    references,
    review,
)

if TYPE_CHECKING:
    from classify.service.service import Service

API_VERSION = "1"
"""Of the paths under `/v1`: fields may be added, none changes its meaning."""

PICTURES = {"/v1/classify": Scope.READ, "/v1/references": Scope.WRITE}
"""Paths that take images, and what a key must be good for there."""
VECTORS = {f"{path}/vectors": scope for path, scope in PICTURES.items()}
"""The same of vectors."""
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def create_app(service: Service, *, keyring: Keyring | None = None) -> FastAPI:
    """The ASGI app over a service, which it closes when it ends."""
    keyring = keyring or Keyring()
    settings = service.settings

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="Holotype",
        summary="Names what is in a picture by the labelled references it already holds.",
        version=API_VERSION,
        lifespan=lifespan,
        servers=[{"url": settings.public_url}] if settings.public_url else None,
        redirect_slashes=False,  # it would lead past the proxy
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        responses=problems.responses(400, 401, 403, 413),
    )
    app.state.service = service
    problems.install(app)
    for router in (
        classify.router(max_images=settings.max_images),
        references.router(max_images=settings.max_images),
        classes.router(),
        heads.router(),
        review.router(),
        history.router(),
        curation_map.router(),
        curate.router(),
        maintenance.router(),
        health.router(),
    ):
        app.include_router(router)
    openapi.install(app)
    serve_page(app)
    names = None
    if not keyring and is_loopback(settings.host):
        names = {*_LOOPBACK_NAMES, settings.host}
    most = settings.max_body_mb << 20
    sizes = dict.fromkeys(PICTURES, most) | dict.fromkeys(VECTORS, min(most, VECTORS_BODY))
    app.add_middleware(Forms, takes=PICTURES, uploads=PICTURES | VECTORS)
    app.add_middleware(BodyLimit, uploads=sizes, places=service.places)
    app.add_middleware(AccessControl, keyring=keyring, hosts=names, public_url=settings.public_url)
    app.add_middleware(Timing, metrics=service.metrics)
    app.add_middleware(HeadAsGet)
    return app


class HeadAsGet:
    """ASGI middleware: a HEAD request is worked on as GET; the server leaves the body out.

    HEAD answers wherever GET does (RFC 9110, 9.1): monitors and load balancers ask that way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
