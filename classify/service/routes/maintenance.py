"""`/v1/verify` and `/v1/backup`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from classify.service.backup import COPY_TYPE, copy_of
from classify.service.dependencies import WRITE, ServiceDep, StoreDep
from classify.service.models.maintenance import VerificationModel, VerifyBody
from classify.service.problems import responses


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(tags=["keeping"], dependencies=[WRITE])

    @api.post("/v1/verify", summary="Look at everything that is stored", responses=responses(422))
    def verify(store: StoreDep, body: VerifyBody | None = None) -> VerificationModel:
        """Every vector, payload and head; writes wait meanwhile, answers do not."""
        return VerificationModel.of(store.verify(repair=(body or VerifyBody()).repair))

    @api.post(
        "/v1/backup",
        summary="The whole gallery as a file",
        response_class=StreamingResponse,
        responses=responses(507, media_type=COPY_TYPE),
    )
    def backup(service: ServiceDep) -> StreamingResponse:
        """For `ingest restore`. It is copied beside the gallery first, then sent."""
        size, blocks = copy_of(service.store, beside=service.settings.home)
        headers = {"Content-Length": str(size)}
        return StreamingResponse(blocks, media_type=COPY_TYPE, headers=headers)

    return api
