"""`/v1/verify`, `/v1/backup` and `/v1/export`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from classify.service.dependencies import READ, WRITE, ServiceDep, StoreDep
from classify.service.downloads import TAR, download
from classify.service.models.maintenance import VerificationModel, VerifyBody
from classify.service.models.references import Export
from classify.service.problems import responses
from holotype.arrow import STREAM_TYPE, write_stream, write_whole_stream
from holotype.exports import whole_references
from holotype.references import Where
from holotype.store.port import WHENEVER


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(tags=["keeping"])

    @api.post(
        "/v1/verify",
        summary="Look at everything that is stored",
        dependencies=[WRITE],
        responses=responses(422),
    )
    def verify(store: StoreDep, body: VerifyBody | None = None) -> VerificationModel:
        """Every vector, payload and head; writes wait meanwhile, answers do not."""
        return VerificationModel.of(store.verify(repair=(body or VerifyBody()).repair))

    @api.post(
        "/v1/backup",
        summary="The whole gallery as a file",
        dependencies=[WRITE],
        response_class=StreamingResponse,
        responses=responses(507, media_type=TAR),
    )
    def backup(service: ServiceDep) -> StreamingResponse:
        """For `ingest restore`. It is copied beside the gallery first, then sent."""
        return download(
            service.store.backup, what="backup", beside=service.settings.home, media_type=TAR
        )

    @api.get(
        "/v1/export",
        summary="Labelled vectors as an Arrow stream",
        dependencies=[READ],
        response_class=StreamingResponse,
        responses=responses(422, 503, 507, media_type=STREAM_TYPE),
    )
    def export(service: ServiceDep, asked: Annotated[Export, Query()]) -> StreamingResponse:
        """Columns `id`, `vector`, `label` and `group`, in id order; with `whole` all there are.

        Read it with `pyarrow.ipc.open_stream`, a batch at a time. `where` is `key=value` or
        `key!=value`, repeatable.
        """
        store = service.store
        where = Where.parse(asked.where).among(store.known_counts())
        until = None if asked.moment else WHENEVER
        gallery, fingerprint = store.gallery, store.fingerprint
        if asked.whole:
            whole = whole_references(store, where=where, moment=asked.moment)
            write = partial(write_whole_stream, whole, gallery=gallery, fingerprint=fingerprint)
        else:
            batches = store.export(where=where, changed_until=until)
            write = partial(write_stream, batches, gallery=gallery, fingerprint=fingerprint)
        return download(write, what="export", beside=service.settings.home, media_type=STREAM_TYPE)

    return api
