"""What became of one input file.

Every file that a run meets ends in exactly one outcome, and every outcome that is not
a success carries a reason that a person can act on. `ingest add`, `ingest watch` and
the service's `POST /v1/references` all speak these words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from holotype.characters import difference, uniform

if TYPE_CHECKING:
    from holotype.images.finding import LeftOut


class Outcome(StrEnum):
    """The outcomes that exist."""

    __hash__ = str.__hash__  # they equal their text; that of `Enum` takes ten times as long

    ADDED = "added"
    """Embedded, stored and flushed: it survives a crash from here on."""
    ALREADY_PRESENT = "already_present"
    """The same bytes are in the gallery under the same label; nothing was embedded."""
    RELABELLED = "relabelled"
    """Present under another label, replaced on request; nothing was embedded."""
    KEPT = "kept"
    """Present under another label, which was kept on request."""
    WOULD_ADD = "would_add"
    """A dry run would have added it."""
    LABEL_CONFLICT = "label_conflict"
    """Present under another label, and no policy was given: a failure."""
    BROKEN = "broken"
    """It cannot be read as a picture: a failure."""
    FAILED = "failed"
    """The picture is fine, storing it was refused: a failure."""

    @property
    def is_failure(self) -> bool:
        """Whether the file needs a person's attention (exit code 3)."""
        return self in _FAILURES


_FAILURES = frozenset({Outcome.LABEL_CONFLICT, Outcome.BROKEN, Outcome.FAILED})


class OnConflict(StrEnum):
    """What to do with a picture that is present under another label."""

    ERROR = "error"
    KEEP = "keep"
    REPLACE = "replace"


class FileOutcome(NamedTuple):
    """One line of a report. A tuple: a million of them are made in a second."""

    source: str
    """Where it lies: absolute, or relative to a stated root."""
    outcome: Outcome
    label: str | None = None
    """The label asked for."""
    id: str | None = None
    """The reference's id, where the bytes could be read."""
    reason: str | None = None
    """What happened and what to do, where the outcome is not a plain success; of what was added,
    what a person should know of the picture."""

    @property
    def is_duplicate(self) -> bool:
        """Whether another file of the same run had the same bytes; `reason` says which."""
        return self.outcome is Outcome.ALREADY_PRESENT and self.reason is not None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return self._asdict()


class Outcomes(list[FileOutcome]):
    """What became of what was added, one each, in order."""

    left_out: LeftOut | None = None
    """What folders hold besides, counted; None of what came from no folder."""

    @property
    def failures(self) -> list[FileOutcome]:
        """Those that need a person's attention; each has its reason."""
        return [one for one in self if one.outcome.is_failure]


def resolve_known(*, existing: str, label: str, policy: OnConflict) -> tuple[Outcome, str | None]:
    """Outcome and reason for a picture that is already in the gallery as `existing`.

    An earlier version may have spelled the same label in another way: only who replaces labels
    replaces that.
    """
    if existing == label or (policy is not OnConflict.REPLACE and uniform(existing) == label):
        return Outcome.ALREADY_PRESENT, None
    match policy:
        case OnConflict.KEEP:
            return Outcome.KEPT, f"present as {existing!r}, which was kept"
        case OnConflict.REPLACE:
            return Outcome.RELABELLED, f"was {existing!r}"
        case OnConflict.ERROR:
            return Outcome.LABEL_CONFLICT, (
                f"the same picture is in the gallery as {existing!r}: "
                f"use --on-conflict keep or replace{_told_apart(label, existing)}"
            )


def _told_apart(label: str, existing: str) -> str:
    what = difference(label, existing)
    return f" ({what})" if what else ""
