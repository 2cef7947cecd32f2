"""Errors as problem+json (RFC 9457): the one place where an error becomes a status.

A problem's type is the name of its error: `UnknownHead` is `urn:holotype:problem:unknown-head`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from classify.service.models.common import Problem
from classify.service.places import RETRY_AFTER_S
from holotype import errors
from holotype.references import too_many_keys

PREFIX = "urn:holotype:problem:"
MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)

# By class; a class that is not named has the status of its nearest ancestor.
_STATUS: dict[type[errors.HolotypeError], HTTPStatus] = {
    errors.HolotypeError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BrokenImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidReference: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EmptyGallery: HTTPStatus.CONFLICT,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.HeadError: HTTPStatus.CONFLICT,
    errors.UnknownHead: HTTPStatus.NOT_FOUND,
}


class NotFound(errors.ServiceError):
    """A reference, a class or a kept query that is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=404)


class TooLarge(errors.ServiceError):
    """A request body beyond its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the request is larger than {limit >> 20} MiB: send fewer or smaller images",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


class TooManyKeys(errors.ServiceError):
    """A request with more metadata keys than a gallery may have."""

    def __init__(self, keys: Collection[str], limit: int) -> None:
        super().__init__(too_many_keys(keys, limit), status=HTTPStatus.BAD_REQUEST)


class Refused(errors.ServiceError):
    """No key, a key that is not known, or one whose scope does not reach so far."""


class ProblemResponse(JSONResponse):
    """A problem. In ASCII: it may quote text that has no other encoding."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """As JSON."""
        return json.dumps(content).encode()


def problem_of(error: errors.HolotypeError) -> Problem:
    """The problem that an error is."""
    name = type(error).__name__
    return Problem(
        type=PREFIX + _dashed(name),
        title=_dashed(name).replace("-", " ").capitalize(),
        status=_status(error),
        detail=str(error),
    )


def response_of(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The HTTP response that carries a problem."""
    told = dict(headers or {})
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        told["Retry-After"] = str(RETRY_AFTER_S)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        told["WWW-Authenticate"] = "Bearer"
    content = problem.model_dump(exclude_none=True)
    return ProblemResponse(content, problem.status, told)


def install(app: FastAPI) -> None:
    """Let every error of this app leave as a problem."""
    app.add_exception_handler(errors.HolotypeError, _domain)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def responses(*statuses: int, media_type: str | None = None) -> dict[int | str, dict[str, Any]]:
    """What a route can answer with, for the OpenAPI document.

    Args:
        statuses: those that come with a problem.
        media_type: of the plain answer, where it is not JSON.
    """
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    described: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }
    if media_type is not None:
        described[HTTPStatus.OK] = {"content": {media_type: {}}}
    return described


def _status(error: errors.HolotypeError) -> int:
    if isinstance(error, errors.ServiceError) and error.status:
        return error.status
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


async def _domain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.HolotypeError)
    problem = problem_of(error)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("%s: %s", type(error).__name__, error)
    return response_of(problem)


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [
        {"field": ".".join(str(part) for part in e["loc"]), "message": str(e["msg"])}
        for e in error.errors()
    ]
    problem = Problem(
        type=PREFIX + "malformed-request",
        title="Malformed request",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        detail="; ".join(f"{e['field']}: {e['message']}" for e in found),
        errors=found,
    )
    return response_of(problem)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses: an unknown path, a method, a body that is too large."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    problem = Problem(
        type=PREFIX + _dashed(phrase.replace(" ", "")),
        title=phrase,
        status=error.status_code,
        detail=str(error.detail),
    )
    return response_of(problem, error.headers)


async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    """A bug: the server logs it whole, the client learns only that it happened."""
    problem = Problem(
        type=PREFIX + "internal-error",
        title="Internal error",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        detail="the service failed on this request; its log has the details",
    )
    return response_of(problem)


def _dashed(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
