"""`/v1/review`: queries in doubt, to be labelled and added."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from classify.service.dependencies import READ, WRITE, ServiceDep
from classify.service.models.heads import (
    ReviewItem,
    ReviewLabel,
    ReviewLabels,
    ReviewList,
    ReviewListing,
)
from classify.service.models.references import AddResponse, OutcomeModel
from classify.service.problems import NotFound, responses
from classify.service.service import Service
from holotype.images.decode import decode
from holotype.images.picture import make_thumbnail
from holotype.images.recipe import THUMBNAIL_SIDE
from holotype.intake.incoming import Incoming

SETTLE_S = 0.5
"""How long a list waits for answers of just before to be looked at, at most, seconds."""


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
        """A page at a time; kept only where the setting `keep_queries` allows it."""
        service.review_selection.wait(SETTLE_S)
        kept = service.review.page(limit=asked.limit, after=asked.after)
        return ReviewList(
            keeps_queries=bool(service.review.limit),
            limit=service.review.limit,
            total=kept.total,
            items=[ReviewItem.model_validate(item.to_dict()) for item in kept.items],
            next_after=kept.next_after,
        )

    @api.post(
        "",
        summary="Label and add several",
        dependencies=[WRITE],
        responses=responses(404, 422, 503),
    )
    async def add_several(body: ReviewLabels, service: ServiceDep) -> AddResponse:
        """One label for all of them; what was added leaves the queue, a conflict stays."""
        return await _add(service, body.ids, body)

    @api.get(
        "/{id}/thumbnail",
        summary="A small JPEG",
        dependencies=[READ],
        response_class=Response,
        responses=responses(404, 422, media_type="image/jpeg"),
    )
    def thumbnail(id: str, service: ServiceDep) -> Response:  # noqa: A002
        """At most `HOLOTYPE_THUMBNAIL_PX` on its longest side."""
        _, data = service.review.get(id)
        side = service.settings.thumbnail_px or THUMBNAIL_SIDE
        small = make_thumbnail(decode(data, at_least=side).image, side)
        return Response(small, media_type="image/jpeg")

    @api.post(
        "/{id}",
        summary="Label and add one",
        dependencies=[WRITE],
        responses=responses(404, 422, 503),
    )
    async def add_one(id: str, body: ReviewLabel, service: ServiceDep) -> AddResponse:  # noqa: A002
        """What was added leaves the queue; a conflict stays, unless told what to do with it."""
        return await _add(service, [id], body)

    @api.delete(
        "/{id}",
        summary="Drop a kept query",
        status_code=204,
        dependencies=[WRITE],
        responses=responses(404, 422),
    )
    def drop(id: str, service: ServiceDep) -> None:  # noqa: A002
        """It is not added, and gone."""
        if not service.review.forget([id]):
            raise NotFound(f"no query {id!r} is kept for review (any more)")

    return api


async def _add(service: Service, ids: list[str], chosen: ReviewLabel) -> AddResponse:
    wanted = list(dict.fromkeys(ids))
    kept = await asyncio.to_thread(lambda: [service.review.get(id_) for id_ in wanted])
    incoming = [
        Incoming(source=item.query, label=chosen.label, group=chosen.group, data=data)
        for item, data in kept
    ]
    outcomes = await service.add(incoming, on_conflict=chosen.on_conflict)
    settled = [id_ for id_, o in zip(wanted, outcomes, strict=True) if not o.outcome.is_failure]
    await asyncio.to_thread(service.review.forget, settled)
    return AddResponse(outcomes=[OutcomeModel(**o.to_dict()) for o in outcomes])
