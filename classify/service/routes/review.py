"""`/v1/review`: queries in doubt, to be labelled and added."""

from __future__ import annotations

from fastapi import APIRouter, Response

from classify.service.dependencies import READ, WRITE, ServiceDep
from classify.service.models.heads import ReviewItem, ReviewLabel, ReviewLabels, ReviewList
from classify.service.models.references import AddResponse, OutcomeModel
from classify.service.problems import responses
from classify.service.service import Service
from holotype.images.decode import decode
from holotype.images.picture import make_thumbnail
from holotype.intake.incoming import Incoming
from holotype.outcomes import OnConflict


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/v1/review", tags=["review"])

    @api.get("", summary="Queries in doubt, the newest first", dependencies=[READ])
    def list_kept(service: ServiceDep) -> ReviewList:
        """Kept only where the setting `keep_queries` allows it."""
        kept = service.review.all()
        return ReviewList(
            keeps_queries=bool(service.review.limit),
            limit=service.review.limit,
            items=[ReviewItem.model_validate(item.to_dict()) for item in kept],
        )

    @api.post(
        "",
        summary="Label and add several",
        dependencies=[WRITE],
        responses=responses(404, 422, 503),
    )
    async def add_several(body: ReviewLabels, service: ServiceDep) -> AddResponse:
        """One label for all of them; what was added leaves the queue."""
        return await _add(service, body.ids, body)

    @api.get(
        "/{id}/thumbnail",
        summary="A small JPEG",
        dependencies=[READ],
        response_class=Response,
        responses=responses(404, 422, media_type="image/jpeg"),
    )
    def thumbnail(id: str, service: ServiceDep) -> Response:  # noqa: A002
        """At most 128 pixels on its longest side."""
        _, data = service.review.get(id)
        return Response(make_thumbnail(decode(data).image), media_type="image/jpeg")

    @api.post(
        "/{id}",
        summary="Label and add one",
        dependencies=[WRITE],
        responses=responses(404, 422, 503),
    )
    async def add_one(id: str, body: ReviewLabel, service: ServiceDep) -> AddResponse:  # noqa: A002
        """What was added leaves the queue."""
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
        service.review.forget(id)

    return api


async def _add(service: Service, ids: list[str], chosen: ReviewLabel) -> AddResponse:
    kept = [service.review.get(id_) for id_ in dict.fromkeys(ids)]
    incoming = [
        Incoming(source=item.query, label=chosen.label, group=chosen.group, data=data)
        for item, data in kept
    ]
    # Who labels a kept query has looked at it: that overrules what the gallery said before.
    outcomes = await service.add(incoming, on_conflict=OnConflict.REPLACE)
    for (item, _), outcome in zip(kept, outcomes, strict=True):
        if not outcome.outcome.is_failure:
            service.review.forget(item.id)
    return AddResponse(outcomes=[OutcomeModel(**o.to_dict()) for o in outcomes])
