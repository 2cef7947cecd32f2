"""`/v1/curate`: what is wrong with the gallery, worked out beside the answers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from classify.service.curation import Curated
from classify.service.dependencies import READ, ServiceDep
from classify.service.models.curation import Between, CurationModel
from classify.service.problems import responses

Kind = Literal["suspects", "duplicates", "classes"]


def router() -> APIRouter:
    """The routes. Who may read may look: nothing is changed."""
    api = APIRouter(prefix="/v1/curate", tags=["curation"], dependencies=[READ])
    documented = responses(422) | {
        202: {"model": CurationModel, "description": "Nothing was found yet."}
    }

    @api.get("/{kind}", summary="What was found", responses=documented)
    def look(
        kind: Kind, service: ServiceDep, response: Response, asked: Annotated[Between, Query()]
    ) -> CurationModel:
        """The last result, and whether it is of the gallery as it is now; starts nothing.

        What was decided since has left it. 202 while there is none and the job runs.
        """
        return told(service.curation.look(kind, {}, between=asked.between), response)

    @api.post("/{kind}", summary="Look anew", responses=documented)
    def start(kind: Kind, service: ServiceDep, response: Response) -> CurationModel:
        """Starts the job and returns, unless it runs already or there is nothing new to find."""
        return told(service.curation.start(kind, {}), response)

    return api


def told(curated: Curated, response: Response) -> CurationModel:
    """The answer: 202 while there is nothing yet, and it is worked out."""
    if curated.result is None and curated.progress.state == "running":
        response.status_code = 202
    return CurationModel.of(curated)
