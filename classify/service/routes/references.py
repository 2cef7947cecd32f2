"""`/v1/references`: the same operations as `ingest`, by HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from classify.service.dependencies import READ, WRITE, KeyNameDep, ServiceDep, StoreDep, unless_gone
from classify.service.models.common import Changed, ReferenceId
from classify.service.models.history import action_of
from classify.service.models.references import (
    AddForm,
    AddResponse,
    Dismissal,
    IdsBody,
    Known,
    Listing,
    NewLabel,
    OutcomeModel,
    ReferenceList,
    ReferenceModel,
    ReferencePage,
    Regrouping,
    Relabelling,
    Selection,
)
from classify.service.models.vectors import AddVectorsBody
from classify.service.problems import responses
from classify.service.uploads import read_action, read_incoming
from classify.service.vectors import read_references
from holotype.errors import NotFound
from holotype.references import Reference, Where
from holotype.store.port import VectorStore

PREFIX = "/v1/references"
THUMBNAIL_CACHE = "private, max-age=86400"
"""A thumbnail belongs to its bytes' id and never changes."""


def router(*, max_images: int) -> APIRouter:
    """The routes, with the bound of an upload."""
    api = APIRouter(tags=["references"])
    api.include_router(_reading())
    api.include_router(_adding(max_images=max_images))
    api.include_router(_changing())
    return api


def _reading() -> APIRouter:
    api = APIRouter(prefix=PREFIX, dependencies=[READ])

    @api.get("", summary="References, a page at a time", responses=responses(422))
    def list_references(store: StoreDep, asked: Annotated[Listing, Query()]) -> ReferencePage:
        """In id order; `where` is `key=value` or `key!=value`, repeatable."""
        where = Where.parse(asked.where).among(store.known_counts())
        page = store.list_references(where=where, limit=asked.limit, after=asked.after)
        return ReferencePage(
            references=[ReferenceModel.of(r) for r in page.references],
            next_after=page.next_after,
        )

    @api.post("/known", summary="Which of these are in the gallery?", responses=responses(422))
    def known(body: IdsBody, store: StoreDep) -> Known:
        """Ask before uploading: an id is a UUIDv5 of the file's sha256."""
        return Known(labels=store.existing(body.ids))

    @api.post("/get", summary="Several references", responses=responses(422))
    def get_references(body: IdsBody, store: StoreDep) -> ReferenceList:
        """In the order given; those that are not there are left out."""
        return ReferenceList(references=[ReferenceModel.of(r) for r in store.get(body.ids)])

    @api.get("/{id}", summary="One reference", responses=responses(404, 422))
    def get_reference(id: ReferenceId, store: StoreDep) -> ReferenceModel:  # noqa: A002
        """Everything but its vector."""
        return ReferenceModel.of(_found(store, id))

    @api.get(
        "/{id}/thumbnail",
        summary="A small JPEG",
        response_class=Response,
        responses=responses(404, 422, media_type="image/jpeg"),
    )
    def thumbnail(id: ReferenceId, store: StoreDep) -> Response:  # noqa: A002
        """As it was made when the reference was added: at most `HOLOTYPE_THUMBNAIL_PX` long."""
        found = store.thumbnails([id]).get(id)
        if found is None:
            raise NotFound(f"no thumbnail of reference {id}")
        return Response(found, media_type="image/jpeg", headers={"Cache-Control": THUMBNAIL_CACHE})

    @api.get(
        "/{id}/original",
        summary="Its file, at full size",
        response_class=Response,
        responses=responses(404, 422, media_type="application/octet-stream"),
    )
    def original(id: ReferenceId, service: ServiceDep) -> Response:  # noqa: A002
        """Where `HOLOTYPE_ORIGINALS` allows it, and its source is still the very same bytes."""
        found = service.originals.read(_found(service.store, id))
        headers = {"Cache-Control": THUMBNAIL_CACHE, "X-Content-Type-Options": "nosniff"}
        return Response(found.data, media_type=found.media_type, headers=headers)

    return api


def _adding(*, max_images: int) -> APIRouter:
    api = APIRouter(prefix=PREFIX, dependencies=[WRITE])

    @api.post(
        "",
        summary="Add labelled images",
        form_limits={"max_files": max_images},
        responses=responses(409, 415, 422, 503, 507),
    )
    async def add(
        form: Annotated[AddForm, Form(media_type="multipart/form-data")],
        service: ServiceDep,
        request: Request,
        key: KeyNameDep,
    ) -> AddResponse:
        """The rules of `ingest add`: one outcome per image, `added` only when it is durable."""
        limit = service.settings.max_meta_keys
        incoming = await read_incoming(form, max_meta_keys=limit)
        action = action_of("add", read_action(form.action), key)
        work = service.add(incoming, on_conflict=form.on_conflict, action=action)
        outcomes = await unless_gone(request, work)
        return AddResponse(outcomes=[OutcomeModel(**o.to_dict()) for o in outcomes])

    @api.post("/vectors", summary="Add labelled vectors", responses=responses(409, 422, 503, 507))
    async def add_vectors(
        body: AddVectorsBody, service: ServiceDep, request: Request, key: KeyNameDep
    ) -> AddResponse:
        """One outcome per vector, `added` only when it is durable; doing it again does nothing.

        A row that is no vector of this gallery (another length, all zeros) is named, and nothing
        is added. A gallery of pictures takes those that its own encoder made, which `space` says.
        """
        incoming = read_references(body, service.store, service.settings)
        action = action_of("add", body.action, key)
        work = service.add_vectors(incoming, on_conflict=body.on_conflict, action=action)
        outcomes = await unless_gone(request, work)
        return AddResponse(outcomes=[OutcomeModel(**o.to_dict()) for o in outcomes])

    return api


def _changing() -> APIRouter:
    api = APIRouter(prefix=PREFIX, dependencies=[WRITE])

    @api.post("/relabel", summary="Relabel several references", responses=responses(422, 507))
    def relabel_selected(body: Relabelling, store: StoreDep, key: KeyNameDep) -> Changed:
        """By id, or all that match; nothing is embedded."""
        where = Where.parse(body.where).among(store.known_counts())
        action = action_of("relabel", body.action, key)
        changed = store.relabel(body.label, ids=body.ids, where=where, action=action)
        return Changed(changed=changed)

    @api.post("/regroup", summary="Put several references into one group", responses=responses(422))
    def regroup(body: Regrouping, store: StoreDep, key: KeyNameDep) -> Changed:
        """References of one group are never split across training and validation."""
        action = action_of("regroup", body.action, key)
        return Changed(changed=store.regroup(body.group, ids=body.ids, action=action))

    @api.post("/dismiss", summary="Keep labels that were doubted", responses=responses(422))
    def dismiss(body: Dismissal, store: StoreDep, key: KeyNameDep) -> Changed:
        """Remembers what was seen, until the reference gets another label."""
        action = action_of("dismiss", body.action, key)
        return Changed(changed=store.dismiss(body.marks, action=action))

    @api.post("/remove", summary="Remove several references", responses=responses(422))
    def remove_selected(body: Selection, store: StoreDep, key: KeyNameDep) -> Changed:
        """By id, or all that match."""
        where = Where.parse(body.where).among(store.known_counts())
        action = action_of("remove", body.action, key)
        return Changed(changed=store.remove(ids=body.ids, where=where, action=action))

    @api.patch("/{id}", summary="Correct a label", responses=responses(404, 422, 507))
    def relabel(
        id: ReferenceId,  # noqa: A002
        body: NewLabel,
        store: StoreDep,
        key: KeyNameDep,
    ) -> ReferenceModel:
        """Give another label to one reference."""
        _found(store, id)
        store.relabel(body.label, ids=[id], action=action_of("relabel", None, key))
        return ReferenceModel.of(_found(store, id))

    @api.delete(
        "/{id}", summary="Remove a reference", status_code=204, responses=responses(404, 422)
    )
    def remove(id: ReferenceId, store: StoreDep, key: KeyNameDep) -> None:  # noqa: A002
        """The history brings it back, for as long as that is kept."""
        if not store.remove(ids=[id], action=action_of("remove", None, key)):
            raise NotFound(f"no reference {id} is in the gallery")

    return api


def _found(store: VectorStore, id_: str) -> Reference:
    for reference in store.get([id_]):
        return reference
    raise NotFound(f"no reference {id_} is in the gallery")
