"""What was done to a gallery as points beside the heads, the same in both engines.

- `event`: a step of an action, at most 1,000 references: what was done to which of them, what they
  were before and what they are after. A step that adds has no ids: it is grown as its action goes
  on, and what it added is known by its mark.
- `removed`: a reference that was removed, as it was: its vector (and a zero after its D numbers),
  and its payload with the thumbnail.

A reference says which step made it what it is (its **mark**, `ACTION/STEP` under the key `action`).
An undo puts back the mark of before, too. So a reference with the mark that a step left is as that
step left it, whatever was done and undone since; with another one it is left alone.

Events are found by the index of `kind` and `version`, under which they have their action's id.
"""

from __future__ import annotations

import base64
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from holotype.history import Action
from holotype.store.head_payload import EVENT, KIND, REMOVED, VERSION, point_id
from holotype.store.payload import CHANGED_AT, THUMBNAIL
from holotype.store.points import Point, Record

MARK: Final = "action"
"""The key of a reference's payload that says which step it was left by; not indexed."""

CHANGES: Final = "changes"
"""Most of an event's bytes, which a list leaves out."""

LABELS_TOLD: Final = 100
"""Labels of a step that its event counts: the most frequent ones."""

ADDED, REPLACED, REMOVED_, RESTORED = "added", "replaced", "removed", "restored"
RELABELLED, REGROUPED, DISMISSED_, PROMOTED = "relabelled", "regrouped", "dismissed", "promoted"
UNDONE: Final = "undone"
"""What a step does. The last one ends an undo: without it the undo was interrupted."""

_TAKEN: Final = (REPLACED, REMOVED_)


@dataclass(frozen=True, slots=True)
class Change:
    """References that were alike before a step, and are alike after it."""

    ids: Sequence[str]
    before: Mapping[str, Any] | None
    """Keys of the payload that the step moves, null where there was none; None: not there."""
    after: Mapping[str, Any] | None

    def undone(self) -> Change:
        """The way back."""
        return Change(self.ids, self.after, self.before)


@dataclass(frozen=True, slots=True)
class Event:
    """A step of an action."""

    action: Action
    step: str
    what: str
    changed_at: int
    """Microseconds since the epoch: of what it changed, or of the first that it added."""
    count: int
    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)
    """What was lost and won, for people: see `holotype.history.Entry`."""
    undoes: str | None = None
    kept: bool = True
    """Of a removal: whether it can be undone."""
    bytes: int = 0
    """Of what was removed."""
    changes: Sequence[Change] = ()

    @property
    def mark(self) -> str:
        """Of the references that it leaves behind."""
        return f"{self.action.id}/{self.step}"

    @property
    def takes(self) -> bool:
        """Whether what it speaks of was in the gallery before and is not after it."""
        return self.what in _TAKEN


def event_point(event: Event, *, columns: int) -> Point:
    """The event as a point without numbers."""
    action = event.action
    payload: dict[str, Any] = {
        KIND: EVENT,
        VERSION: action.id,
        "step": event.step,
        "kind_of_action": action.kind,
        "who": action.who,
        "why": action.why,
        "at": action.at,
        "what": event.what,
        CHANGED_AT: event.changed_at,
        "count": event.count,
        # As lists: a label may hold any character, a key of a payload may not.
        "before": [list(pair) for pair in event.before.items()],
        "after": [list(pair) for pair in event.after.items()],
        "undoes": event.undoes,
        "kept": event.kept,
        "bytes": event.bytes,
        CHANGES: [
            {"ids": packed(one.ids), "before": one.before, "after": one.after}
            for one in event.changes
        ],
    }
    here = point_id(EVENT, action.id, event.step)
    return Point(here, np.zeros(columns, dtype=np.float32), payload)


def event_from(payload: Mapping[str, Any]) -> Event:
    """Inverse of `event_point`; without changes where they were not read."""
    action = Action(
        id=payload[VERSION],
        kind=payload["kind_of_action"],
        who=payload["who"],
        why=payload.get("why"),
        at=payload["at"],
    )
    return Event(
        action=action,
        step=payload["step"],
        what=payload["what"],
        changed_at=payload[CHANGED_AT],
        count=payload["count"],
        before={str(label): count for label, count in payload["before"]},
        after={str(label): count for label, count in payload["after"]},
        undoes=payload.get("undoes"),
        kept=payload["kept"],
        bytes=payload["bytes"],
        changes=[
            Change(unpacked(one["ids"]), one.get("before"), one.get("after"))
            for one in payload.get(CHANGES, ())
        ],
    )


def removed_point(action: Action, step: str, record: Record, *, columns: int) -> Point:
    """A reference that is to be removed, as it is.

    Args:
        action: which removes it.
        step: of that action.
        record: with its payload and its vector.
        columns: D + 1.
    """
    vector = np.zeros(columns, dtype=np.float32)
    vector[:-1] = record.vector
    payload = {
        KIND: REMOVED,
        VERSION: action.id,
        "step": step,
        "reference": str(record.id),
        "payload": dict(record.payload or {}),
    }
    return Point(removed_id(action.id, step, str(record.id)), vector, payload)


def removed_id(action: str, step: str, reference: str) -> str:
    """Id of the point that keeps a removed reference."""
    return point_id(REMOVED, action, step, reference)


def bytes_of(point: Point) -> int:
    """About how many bytes a removed reference takes."""
    thumbnail = point.payload["payload"].get(THUMBNAIL) or ""
    return point.vector.nbytes + len(thumbnail) + 1024


def packed(ids: Iterable[str]) -> str:
    """UUIDs as base64 of 16 bytes each: 21 characters instead of 36."""
    return base64.b64encode(b"".join(uuid.UUID(one).bytes for one in ids)).decode("ascii")


def unpacked(text: str) -> list[str]:
    """Inverse of `packed`."""
    raw = base64.b64decode(text)
    return [str(uuid.UUID(bytes=raw[i : i + 16])) for i in range(0, len(raw), 16)]


def told(counts: Counter[str]) -> dict[str, int]:
    """As much of a count by label as an event keeps."""
    return dict(counts.most_common(LABELS_TOLD))
