"""`/v1/history`: what was done to the gallery, and its way back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from classify.service.dependencies import READ, WRITE, KeyNameDep, StoreDep
from classify.service.models.history import (
    ActionId,
    EntryModel,
    History,
    HistoryQuery,
    UndoBody,
    Undone,
)
from classify.service.problems import responses
from holotype.history import Action


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/v1/history", tags=["history"])

    @api.get("", summary="What was done", dependencies=[READ], responses=responses(422))
    def history(store: StoreDep, asked: Annotated[HistoryQuery, Query()]) -> History:
        """Actions, the newest first."""
        found = store.history(label=asked.label, id=asked.id, limit=asked.limit)
        return History(actions=[EntryModel.of(entry) for entry in found])

    @api.post(
        "/{action}/undo",
        summary="Undo an action",
        dependencies=[WRITE],
        responses=responses(409, 422, 507),
    )
    def undo(
        action: ActionId, store: StoreDep, key: KeyNameDep, body: UndoBody | None = None
    ) -> Undone:
        """References that were changed since are left alone, and named."""
        asked = body or UndoBody()
        by = Action.new("undo", who=key or asked.who, why=asked.why)
        return Undone.of(store.undo(action, action=by, dry_run=asked.dry_run))

    return api
