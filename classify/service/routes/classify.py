"""`POST /v1/classify` and `POST /v1/classify/vectors`."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated

from fastapi import APIRouter, Form, Request

from classify.answering.answers import QueryResult
from classify.service.dependencies import READ, ServiceDep, unless_gone
from classify.service.models.answers import ClassifyForm, ClassifyResponse, ResultModel
from classify.service.models.vectors import ClassifyVectorsBody
from classify.service.problems import problem_of, responses
from classify.service.uploads import read_uploads
from classify.service.vectors import read_queries
from holotype.errors import BrokenImage


def router(*, max_images: int) -> APIRouter:
    """The routes, with the bound of an upload."""
    api = APIRouter(tags=["classify"], dependencies=[READ])

    @api.post(
        "/v1/classify",
        summary="Classify one or many images",
        form_limits={"max_files": max_images},
        responses=responses(409, 415, 422, 503),
    )
    async def classify(
        form: Annotated[ClassifyForm, Form(media_type="multipart/form-data")],
        service: ServiceDep,
        request: Request,
    ) -> ClassifyResponse:
        """Name what is in each image, with the evidence.

        One result per image, in order. An image that cannot be read is a result with its
        error and leaves the others alone.
        """
        options = form.options()
        uploads = await read_uploads(form.images)
        work = service.classify(uploads, options, thumbnails=form.thumbnails)
        results = await unless_gone(request, work)
        return ClassifyResponse(results=[_model(result) for result in results])

    @api.post(
        "/v1/classify/vectors",
        summary="Classify one or many vectors",
        responses=responses(409, 422, 503),
    )
    async def classify_vectors(
        body: ClassifyVectorsBody, service: ServiceDep, request: Request
    ) -> ClassifyResponse:
        """Name what vectors of the gallery's space stand for, with the evidence.

        One result per vector, in order. A row that is no vector of this gallery (another length,
        all zeros) is named, and nothing is answered.
        """
        search = read_queries(body, service.store.fingerprint, service.settings)
        answers = await unless_gone(request, service.classify_vectors(search))
        results = (QueryResult(str(row), answer) for row, answer in enumerate(answers))
        return ClassifyResponse(results=[_model(result) for result in results])

    return api


def _model(result: QueryResult) -> ResultModel:
    problem, thumbnail = result.problem, result.thumbnail
    return ResultModel(
        query=result.query,
        answer=result.answer,
        error=None if problem is None else problem_of(BrokenImage(problem)),
        thumbnail=None if thumbnail is None else b64encode(thumbnail).decode("ascii"),
    )
