"""What was done to the gallery."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from classify.service.models.common import EXAMPLE_ID, Body, Label, Model, ReferenceId, example
from holotype.history import ACTION_ID, MAX_WHY, Action, Entry, Undoing

_ACTION = {"id": "20261130-101500-9f3a1c", "kind": "relabel", "why": "seen under the lens"}


class ActionBody(Body):
    """What a change is part of; requests with the same id are one action of the history."""

    model_config = example(_ACTION)

    id: Annotated[str, Field(pattern=f"^(?:{ACTION_ID.pattern})$")]
    """Any that is new."""
    kind: Annotated[str, Field(min_length=1, max_length=64)]
    """What it is, for people."""
    who: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Counts where the key has no name of its own."""
    why: Annotated[str, Field(max_length=MAX_WHY)] | None = None


def action_of(kind: str, body: ActionBody | None, key: str | None) -> Action:
    """The action that a request is part of.

    Args:
        kind: of an action of its own.
        body: what the request says of it.
        key: the name of the request's key, which counts more than what the request says.
    """
    if body is None:
        return Action.new(kind, who=key)
    new = Action.new(body.kind, who=key or body.who, why=body.why)
    return replace(new, id=body.id)


_DONE = {**_ACTION, "who": "anna", "at": "2026-11-30T10:15:00+00:00"}
_ENTRY = {
    "action": _DONE,
    "what": {"relabelled": 12},
    "before": {"wasp": 12},
    "after": {"hornet": 12},
    "undoes": None,
    "undone_by": None,
    "refused": None,
}

ActionId = Annotated[str, Field(pattern=f"^(?:{ACTION_ID.pattern})$")]


class HistoryQuery(Body):
    """Which actions."""

    label: Label | None = None
    """Those that took it from references, or gave it."""
    id: ReferenceId | None = None
    """Those that changed this reference."""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100


class ActionModel(Model):
    """One change, by whom and why."""

    model_config = example(_DONE)

    id: str
    kind: str
    who: str
    why: str | None
    at: str
    """ISO 8601, UTC."""


class EntryModel(Model):
    """An action as the history tells it."""

    model_config = example(_ENTRY)

    action: ActionModel
    what: dict[str, int]
    """`added`, `relabelled`, `regrouped`, `dismissed`, `removed`, `replaced`, `restored`,
    `promoted`: how many."""
    before: dict[str, int]
    """Labels (or groups, or heads) that were lost, the most frequent ones."""
    after: dict[str, int]
    """Those that were won."""
    undoes: str | None
    undone_by: str | None
    refused: str | None
    """Why it cannot be undone; null where it can."""

    @classmethod
    def of(cls, entry: Entry) -> EntryModel:
        """The JSON form of an entry."""
        return cls.model_validate(entry.to_dict())


class History(Model):
    """Actions, the newest first."""

    model_config = example({"actions": [_ENTRY]})

    actions: list[EntryModel]


class UndoBody(Body):
    """Who undoes it, and why."""

    model_config = example({"why": "one species since 2025"})

    who: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Counts where the key has no name of its own."""
    why: Annotated[str, Field(max_length=MAX_WHY)] | None = None
    dry_run: bool = False
    """Only say what would become of it."""


class Undone(Model):
    """What an undo came to, or would."""

    model_config = example(
        {
            "action": {**_DONE, "id": "20261130-101500-9f3a1c.1", "kind": "undo"},
            "undoes": _DONE,
            "restored": 11,
            "left": {EXAMPLE_ID: "it was changed since"},
        }
    )

    action: ActionModel
    """The undo, which can be undone, too."""
    undoes: ActionModel
    restored: int
    left: dict[str, str]
    """By id: references that were left alone, and why."""

    @classmethod
    def of(cls, undoing: Undoing) -> Undone:
        """The JSON form of it."""
        return cls.model_validate(undoing.to_dict())
