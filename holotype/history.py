"""What was done to a gallery: actions. No torch, no qdrant.

An action is one change that a person or a job made: a command, a click, a retrain. It may take
many calls (`ingest add` of 10,000 files takes 300), which all carry it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from holotype.errors import UsageError

ACTION_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}(\.[0-9]{1,6})?")
"""What an action's id may look like."""

MAX_WHY: Final = 1_000
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Action:
    """One change, by whom and why."""

    id: str
    """Sorts by time where `new` made it: `YYYYMMDD-HHMMSS-xxxxxx`, UTC. That of an undo is the id
    of what it undoes with `.1`, then `.2` for the undo of the undo."""
    kind: str
    """What it is, for people: `add`, `relabel`, `remove`, `regroup`, `dismiss`, `promote`, `undo`,
    or a word of its own."""
    who: str
    """The user of this machine, the name of a key, or a job."""
    why: str | None = None
    at: str = ""
    """ISO 8601, UTC: when it began."""

    @classmethod
    def new(cls, kind: str, *, who: str | None = None, why: str | None = None) -> Self:
        """An action that begins now.

        Args:
            kind: what it is.
            who: None: the user of this machine.
            why: a reason, for people.

        Raises:
            UsageError: the reason is too long.
        """
        if why is not None and len(why) > MAX_WHY:
            raise UsageError(f"the reason has {len(why)} characters, at most {MAX_WHY} are kept")
        now = datetime.now(UTC)
        id_ = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        at = now.isoformat(timespec="seconds")
        return cls(id_, kind, who or this_user(), why or None, at)


def this_user() -> str:
    """The user that this process runs as; `somebody` where the system does not say."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in a container
        return "somebody"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the past is kept; older actions are forgotten as new ones come."""

    days: int = 30
    """Of actions; 0: no history is kept, and nothing can be undone."""
    actions: int = 10_000
    removed: int = 10_000
    """Removed references that can come back."""
    megabytes: int = 1024
    """Of removed references: vectors and thumbnails."""


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Entry:
    """An action as the history tells it."""

    action: Action
    what: Mapping[str, int]
    """`added`, `relabelled`, `regrouped`, `dismissed`, `removed`, `replaced`, `restored` (what was
    removed came back), `promoted`: how many references, or heads."""
    before: Mapping[str, int]
    """Labels that references had and have no longer (groups, where they were regrouped; versions
    of heads), and how many; the most frequent ones."""
    after: Mapping[str, int]
    """Those that they got."""
    undoes: str | None = None
    """The action that it undoes."""
    undone_by: str | None = None
    """The undo of it; of one that was interrupted, the same undo again finishes it."""
    refused: str | None = None
    """Why it cannot be undone; None where it can."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        return cls(**{**found, "action": Action(**found["action"])})


@dataclass(frozen=True, slots=True)
class Undoing:
    """What an undo came to, or would."""

    action: Action
    """The undo, which can be undone, too."""
    undoes: Action
    restored: int
    """References (or heads) that are as they were."""
    left: Mapping[str, str] = field(default_factory=dict)
    """By id: references that were left alone, and why."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        actions = {name: Action(**found[name]) for name in ("action", "undoes")}
        return cls(**{**found, **actions})


def undo_of(action: Action, *, who: str | None = None, why: str | None = None) -> Action:
    """The action that undoes this one: of the same id whoever begins it, and however often."""
    first, _, number = action.id.partition(".")
    begun = Action.new("undo", who=who, why=why)
    return replace(begun, id=f"{first}.{int(number or 0) + 1}")
