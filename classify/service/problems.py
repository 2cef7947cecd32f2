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
from starlette.requests import HTTPConnection

from classify.service.models.common import Problem
from holotype import errors
from holotype.fingerprint import Fingerprint
from holotype.references import too_many_keys

PREFIX = "urn:holotype:problem:"
MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = 1
"""What a refused client is told: a batch is answered within about a second."""

_log = logging.getLogger(__name__)

# By class; a class that is not named has the status of its nearest ancestor.
_STATUS: dict[type[errors.HolotypeError], HTTPStatus] = {
    errors.HolotypeError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BrokenImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidReference: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EmptyGallery: HTTPStatus.CONFLICT,
    errors.StoreMoved: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.HeadError: HTTPStatus.CONFLICT,
    errors.UnknownHead: HTTPStatus.NOT_FOUND,
    errors.UndoError: HTTPStatus.CONFLICT,
}


class QueueFull(errors.ServiceError):
    """Too many images are under way; the same request may succeed a little later."""

    def __init__(self, *, wanted: int, taken: int, limit: int) -> None:
        super().__init__(
            f"the service is busy: {taken} of {limit} images are under way, no room for "
            f"{wanted} more. Try again in {RETRY_AFTER_S} s",
            status=503,
        )


class TooLarge(errors.ServiceError):
    """A request body beyond its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the request is larger than {limit >> 20} MiB: send less in one request",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


class NotAForm(errors.ServiceError):
    """Pictures that do not come as files of a form."""

    def __init__(self, kind: str, url: str) -> None:
        came = f"not {kind}" if kind else "which has no Content-Type"
        if kind == "multipart/form-data":
            came = "with a boundary in its Content-Type, which HTTP clients write themselves"
        label = " -F label=LABEL" if url.endswith("references") else ""
        super().__init__(
            f"pictures come as files of a form (multipart/form-data), {came}: "
            f"curl -F images=@PICTURE.jpg{label} {url}",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )


class NoPictures(errors.ServiceError):
    """A picture for a gallery whose vectors come from elsewhere."""

    def __init__(self, gallery: str, space: Fingerprint) -> None:
        super().__init__(
            f"gallery {gallery!r} holds {space.describe()}, which no encoder of this service "
            "makes: ask with POST /v1/classify/vectors, add with POST /v1/references/vectors",
            status=HTTPStatus.CONFLICT,
        )


class OtherSpace(errors.ServiceError):
    """Vectors that may not be of the gallery's space."""

    def __init__(self, gallery: str, space: Fingerprint, came: str | None) -> None:
        given = "none was named" if came is None else f"not {came!r}"
        super().__init__(
            f"gallery {gallery!r} holds {space.describe()}: vectors are added to it with "
            f'"space": {json.dumps(space.space or space.id)} (GET /v1/gallery), by whoever made '
            f"them in the same way; {given}",
            status=HTTPStatus.CONFLICT,
        )


class TooManyVectors(errors.ServiceError):
    """More vectors than a request may hold."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"more than {limit} vectors come in one request: send the rest in another",
            status=HTTPStatus.BAD_REQUEST,
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


def address_of(request: HTTPConnection) -> str:
    """Where this request was for, as people write it."""
    public: str | None = request.app.state.service.settings.public_url
    base = public or f"{request.scope['scheme']}://{request.headers.get('host')}"
    return base.rstrip("/") + str(request.scope["path"])


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


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [
        {"field": ".".join(str(part) for part in e["loc"]), "message": _in_our_words(e, request)}
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


def _in_our_words(error: Mapping[str, Any], request: Request) -> str:
    """What is wrong with one field, or with a body that is no JSON object at all."""
    kind, said = error["type"], str(error["msg"])
    if "UploadFile" in said:
        return "it is text, not a file: curl -F images=@PICTURE.jpg, with the @"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "json_invalid":
        reason = error["ctx"]["error"]
        return f"the body is not JSON: {reason}. {_right_call(request)}"
    if tuple(error["loc"]) == ("body",) and kind in {"missing", "model_attributes_type"}:
        return f"the body is not a JSON object. {_right_call(request)}"
    return {"missing": "it is missing", "extra_forbidden": "there is no such field"}.get(kind, said)


def _right_call(request: Request) -> str:
    """A call of this operation that works, from the document's own example."""
    document = request.app.openapi()
    operation = document["paths"][request.scope["route"].path_format][request.method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = next(s["$ref"] for s in (schema, *schema.get("anyOf", ())) if "$ref" in s)
    example = document["components"]["schemas"][name.rpartition("/")[2]]["examples"][0]
    return (
        f"Send it as curl -X {request.method} -H 'Content-Type: application/json' "
        f"-d '{json.dumps(example)}' {address_of(request)}"
    )


_UNREADABLE = {
    "Invalid multipart data": (
        "the form cannot be read: its parts are not divided by the boundary that its "
        "Content-Type names"
    ),
    'The Content-Disposition header field "name"': "a part of the form has no name",
    "Too many files": "more than {number} images come in one request: send the rest in another",
    "Too many fields": "the form has more than {number} fields",
    "Part exceeded maximum size": (
        "a field of the form is longer than {number} KiB; pictures are sent as files: "
        "curl -F images=@PICTURE.jpg, with the @"
    ),
    "There was an error parsing the body": "the body is not JSON in UTF-8, or is nested too deep",
}
"""What the framework says of a body that it cannot read, in our words."""


async def _http(_request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses: an unknown path, a method, a body that is too large."""
    assert isinstance(error, HTTPException)
    said = str(error.detail).removesuffix(".")
    ours = next((words for start, words in _UNREADABLE.items() if said.startswith(start)), "{said}")
    number = re.search(r"\d+", said)
    phrase = HTTPStatus(error.status_code).phrase
    problem = Problem(
        type=PREFIX + _dashed(phrase.replace(" ", "")),
        title=phrase,
        status=error.status_code,
        detail=ours.format(said=said, number=number and number.group()),
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
