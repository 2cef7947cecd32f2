"""What `ingest history` and `ingest undo` do once their options are read."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from holotype import console
from holotype.access import open_gallery
from holotype.errors import HolotypeError, UndoError, UsageError
from holotype.history import Action, this_user

if TYPE_CHECKING:
    from holotype.access import AnyStore
    from holotype.history import Entry, Undoing
    from holotype.settings import Settings

_LABELS_SAID = 3
_IDS_SAID = 10
_LOOKED_THROUGH = 1000
"""Actions among which the last one of a user is looked for."""


def show_history(
    settings: Settings, *, id_: str | None, label: str | None, limit: int, as_json: bool
) -> None:
    """`ingest history`."""
    with open_gallery(settings, command="ingest history") as store:
        entries = store.history(label=label, id=id_, limit=limit)
    if as_json:
        for entry in entries:
            console.out_json(entry.to_dict())
        return
    if not entries:
        console.say("nothing is in the history")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("action", "when", "who", "what", "why", ""):
        table.add_column(name, overflow="fold", no_wrap=name == "action")
    for entry in entries:
        action = entry.action
        when = action.at.replace("T", " ").removesuffix("+00:00")
        table.add_row(action.id, when, action.who, what_it_did(entry), action.why, _fate(entry))
    console.for_people().print(table)


def run_undo(settings: Settings, action_id: str | None, *, yes: bool, as_json: bool) -> int:
    """`ingest undo`; returns the exit code."""
    if not yes and not sys.stdin.isatty():
        raise UsageError("undoing asks first, and nobody can answer here: give --yes")
    with open_gallery(settings, command="ingest undo") as store:
        entry = _chosen(store, action_id)
        trial = store.undo(entry.action.id, dry_run=True)
        console.say(f"{entry.action.id} by {entry.action.who}: {what_it_did(entry)}")
        question = f"Undo that? {_outlook(trial)}"
        if not yes and not console.confirmed(question):
            raise HolotypeError("nothing was undone")
        undoing = store.undo(entry.action.id, action=Action.new("undo"))
    if as_json:
        console.out_json(undoing.to_dict())
    for id_, why in [*undoing.left.items()][:_IDS_SAID]:
        console.say(f"left alone: {id_}: {why}")
    if len(undoing.left) > _IDS_SAID:
        console.say(f"left alone: {len(undoing.left) - _IDS_SAID} more (--json lists all)")
    console.say(f"undone, as {undoing.action.id}: {undoing.restored} are as they were")
    return console.EXIT_SOME_FAILED if undoing.left else console.EXIT_DONE


def what_it_did(entry: Entry) -> str:
    """In a line, for people."""
    parts = [f"{count} {what}" for what, count in entry.what.items()]
    labels = " -> ".join(filter(None, (_some(entry.before), _some(entry.after))))
    return ", ".join(parts) + (f": {labels}" if labels else "")


def _chosen(store: AnyStore, action_id: str | None) -> Entry:
    entries = store.history(limit=_LOOKED_THROUGH)
    if action_id is not None:
        for entry in entries:
            if entry.action.id == action_id:
                return entry
        store.undo(action_id, dry_run=True)  # says what is wrong
        raise UndoError(f"action {action_id!r} is older than the last {_LOOKED_THROUGH}")
    me = this_user()
    for entry in entries:
        if entry.action.who == me and entry.undoes is None and entry.undone_by is None:
            return entry
    raise UndoError(
        f"{me} has done nothing that could be undone: name an action of `ingest history`"
    )


def _some(labels: Mapping[str, int]) -> str:
    most = Counter(labels).most_common(_LABELS_SAID)
    more = len(labels) - len(most)
    return ", ".join(label for label, _ in most) + (f" and {more} more" if more > 0 else "")


def _outlook(trial: Undoing) -> str:
    left = f", {len(trial.left)} are left alone" if trial.left else ""
    return f"{trial.restored} will be as they were{left}"


def _fate(entry: Entry) -> str:
    if entry.undone_by is not None:
        return "undone"
    if entry.undoes is not None:
        return "an undo"
    return "cannot be undone" if entry.refused else ""
