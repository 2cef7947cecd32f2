"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from classify.service.dependencies import READ, ServiceDep
from classify.service.models.heads import Health
from classify.service.problems import responses
from holotype.errors import HolotypeError


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(tags=["health"])

    @api.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        """Always ok: whoever reads this has been answered."""
        return Health(status="ok")

    @api.get(
        "/readyz",
        summary="Can it answer?",
        response_model=Health,
        responses={503: {"description": "Not now", "model": Health}},
    )
    def readyz(service: ServiceDep) -> JSONResponse:
        """The store has counted, and the encoder, where there is one, has embedded, just now."""
        encoder = _condition(service.check_encoder)
        store = _condition(service.store.count)
        ok = encoder == store == "ok"
        health = Health(status="ok" if ok else "unavailable", encoder=encoder, store=store)
        return JSONResponse(health.model_dump(), 200 if ok else 503)

    @api.get(
        "/metrics",
        summary="For Prometheus",
        dependencies=[READ],
        response_class=Response,
        responses=responses(media_type="text/plain"),
    )
    def metrics(service: ServiceDep) -> Response:
        """In Prometheus' text format."""
        return Response(service.metrics_page(), media_type=CONTENT_TYPE_LATEST)

    return api


def _condition(check: Callable[[], object]) -> str:
    try:
        check()
    except HolotypeError as error:
        return str(error)
    return "ok"
