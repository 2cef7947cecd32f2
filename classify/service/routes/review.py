"""`/v1/review`: queries in doubt, to be labelled and added."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from classify.service.dependencies import READ, WRITE, KeyNameDep, ServiceDep
from classify.service.models.heads import (
    Candidate,
    CandidateList,
    ReviewItem,
    ReviewLabel,
    ReviewLabels,
    ReviewList,
    ReviewListing,
)
from classify.service.models.history import action_of
from classify.service.models.references import AddResponse, OutcomeModel
from classify.service.problems import responses
from classify.service.review_gallery import labels_of
from classify.service.service import Service
from holotype.errors import NotFound
from holotype.images.decode import decode
from holotype.images.picture import make_thumbnail
from holotype.images.recipe import THUMBNAIL_SIDE
from holotype.intake.incoming import Incoming

SETTLE_S = 0.5
"""How long a list waits for answers of just before to be looked at, at most, seconds."""

LARGE_PX = 1600
"""Longest side of a query as it is looked at closely."""


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/v1/review", tags=["review"])

    @api.get(
        "",
        summary="Queries in doubt, the newest first",
        dependencies=[READ],
        responses=responses(422, 503),
    )
    def list_kept(service: ServiceDep, asked: Annotated[ReviewListing, Query()]) -> ReviewList:
        """A page at a time; kept only where the setting `keep_queries` allows it.

        A query whose picture was added elsewhere since has left; one whose picture was in the
        gallery before says so.
        """
        service.review_selection.wait(SETTLE_S)
        service.reviewed_elsewhere.drop()
        kept = service.review.page(limit=asked.limit, after=asked.after)
        labels = labels_of(service.store, [item.id for item in kept.items])
        return ReviewList(
            keeps_queries=bool(service.review.limit),
            limit=service.review.limit,
            total=kept.total,
            items=[
                ReviewItem.model_validate({**item.to_dict(), "in_gallery": labels.get(item.id)})
                for item in kept.items
            ],
            next_after=kept.next_after,
        )

    @api.post(
        "",
        summary="Label and add several",
        dependencies=[WRITE],
        responses=responses(404, 422, 503),
    )
    async def add_several(body: ReviewLabels, service: ServiceDep, key: KeyNameDep) -> AddResponse:
        """One label for all of them; what was added leaves the queue, a conflict stays."""
        return await _add(service, body.ids, body, key)

    @api.get(
        "/{id}/thumbnail",
        summary="A small JPEG",
        dependencies=[READ],
        response_class=Response,
        responses=responses(404, 422, media_type="image/jpeg"),
    )
    def thumbnail(id: str, service: ServiceDep) -> Response:  # noqa: A002
        """At most `HOLOTYPE_THUMBNAIL_PX` on its longest side."""
        return _jpeg(service, id, service.settings.thumbnail_px or THUMBNAIL_SIDE)

    @api.get(
        "/{id}/image",
        summary="A large JPEG",
        dependencies=[READ],
        response_class=Response,
        responses=responses(404, 422, media_type="image/jpeg"),
    )
    def large(id: str, service: ServiceDep) -> Response:  # noqa: A002
        """At most 1,600 pixels on its longest side."""
        return _jpeg(service, id, LARGE_PX)

    @api.get(
        "/{id}/candidates",
        summary="What it may be",
        dependencies=[READ],
        responses=responses(404, 409, 422, 503),
    )
    async def candidates(id: str, service: ServiceDep) -> CandidateList:  # noqa: A002
        """The likeliest classes as the gallery is now, each with its nearest references."""
        data = await asyncio.to_thread(service.review.picture, id)
        answer, rows = await service.candidates(id, data)
        return CandidateList(
            calibrated=answer.calibrated,
            candidates=[
                Candidate(label=one.label, score=one.score, references=row)
                for one, row in zip(answer.scores, rows, strict=True)
            ],
        )

    @api.post(
        "/{id}/restore",
        summary="Bring one back",
        status_code=204,
        dependencies=[WRITE],
        responses=responses(404, 422, 503),
    )
    def restore(id: str, service: ServiceDep) -> None:  # noqa: A002
        """It was dropped or added; the gallery is left as it is."""
        service.review.bring_back(id)

    @api.post(
        "/{id}",
        summary="Label and add one",
        dependencies=[WRITE],
        responses=responses(404, 422, 503),
    )
    async def add_one(
        id: str,  # noqa: A002
        body: ReviewLabel,
        service: ServiceDep,
        key: KeyNameDep,
    ) -> AddResponse:
        """What was added leaves the queue; a conflict stays, unless told what to do with it."""
        return await _add(service, [id], body, key)

    @api.delete(
        "/{id}",
        summary="Drop a kept query",
        status_code=204,
        dependencies=[WRITE],
        responses=responses(404, 422),
    )
    def drop(id: str, service: ServiceDep) -> None:  # noqa: A002
        """It is not added; the last 100 that left can be brought back for a while."""
        if not service.review.forget([id]):
            raise NotFound(f"no query {id!r} is kept for review (any more)")

    return api


def _jpeg(service: Service, id_: str, side: int) -> Response:
    data = service.review.picture(id_)
    small = make_thumbnail(decode(data, at_least=side).image, side)
    return Response(small, media_type="image/jpeg")


async def _add(
    service: Service, ids: list[str], chosen: ReviewLabel, key: str | None
) -> AddResponse:
    wanted = list(dict.fromkeys(ids))
    kept = await asyncio.to_thread(lambda: [service.review.get(id_) for id_ in wanted])
    incoming = [
        Incoming(source=item.query, label=chosen.label, group=chosen.group, data=data)
        for item, data in kept
    ]
    action = action_of("add", chosen.action, key)
    outcomes = await service.add(incoming, on_conflict=chosen.on_conflict, action=action)
    settled = [id_ for id_, o in zip(wanted, outcomes, strict=True) if not o.outcome.is_failure]
    await asyncio.to_thread(service.review.forget, settled)
    return AddResponse(outcomes=[OutcomeModel(**o.to_dict()) for o in outcomes])
