"""`/v1/heads` and `/v1/retrain`."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from classify.service.dependencies import READ, WRITE, KeyNameDep, ServiceDep, StoreDep
from classify.service.models.heads import (
    ActiveModel,
    HeadList,
    HeadModel,
    RetrainBody,
    RetrainState,
)
from classify.service.models.history import action_of
from classify.service.problems import responses
from head.options import RetrainOptions
from head.versions import registry


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(tags=["heads"])

    @api.get("/v1/heads", summary="Head versions, oldest first", dependencies=[READ])
    def list_heads(store: StoreDep) -> HeadList:
        """With their reports, and which one answers."""
        active = store.active_head()
        return HeadList(
            active=None if active is None else active.version,
            history=[] if active is None else list(active.history),
            heads=[HeadModel.of(record, active) for record in store.heads()],
        )

    @api.post(
        "/v1/heads/rollback",
        summary="Go back to the head that was active before",
        dependencies=[WRITE],
        responses=responses(409),
    )
    def rollback(store: StoreDep, key: KeyNameDep) -> ActiveModel:
        """At once: the next request is answered by it."""
        action = action_of("rollback", None, key)
        return ActiveModel.of(registry.rollback(store, action=action), action)

    @api.get(
        "/v1/heads/{version}",
        summary="One head version",
        dependencies=[READ],
        responses=responses(404, 422),
    )
    def show_head(version: str, store: StoreDep) -> HeadModel:
        """With its report."""
        return HeadModel.of(registry.record_of(store, version), store.active_head())

    @api.post(
        "/v1/heads/{version}/promote",
        summary="Let a version answer",
        dependencies=[WRITE],
        responses=responses(404, 422),
    )
    def promote(version: str, store: StoreDep, key: KeyNameDep) -> ActiveModel:
        """At once: the next request is answered by it."""
        action = action_of("promote", None, key)
        return ActiveModel.of(registry.promote(store, version, action=action), action)

    @api.post(
        "/v1/retrain",
        summary="Train a head",
        status_code=202,
        dependencies=[WRITE],
        responses=responses(409, 422),
    )
    def retrain(service: ServiceDep, body: RetrainBody | None = None) -> RetrainState:
        """Starts the job and returns; `GET /v1/retrain` shows how far it is."""
        chosen = body or RetrainBody()
        options = RetrainOptions(**chosen.model_dump())
        return RetrainState(**asdict(service.retraining.start(options)))

    @api.get("/v1/retrain", summary="The retrain job", dependencies=[READ])
    def retrain_state(service: ServiceDep) -> RetrainState:
        """The one that runs, or the last one."""
        return RetrainState(**asdict(service.retraining.progress))

    @api.delete("/v1/retrain", summary="Cancel the retrain job", dependencies=[WRITE])
    def cancel_retrain(service: ServiceDep) -> RetrainState:
        """Where it runs: it ends within a second, and the active head stays what it is.

        `GET /v1/retrain` says `cancelled` then, or `done` where its head was being published.
        """
        return RetrainState(**asdict(service.retraining.cancel()))

    return api
