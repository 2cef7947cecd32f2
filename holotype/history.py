"""What was done to a gallery: actions. No torch, no qdrant.

An action is one change that a person or a job made: a command, a click, a retrain. It may take
many calls (`ingest add` of 10,000 files takes 300), which all carry it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

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
