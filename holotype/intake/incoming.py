"""The one record that the steps of adding pass along."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from holotype.outcomes import FileOutcome, Outcome
from holotype.references import EmbeddedReference, reference_id

if TYPE_CHECKING:
    from holotype.images.finding import LeftOut
    from holotype.images.picture import Picture

_MARK = struct.Struct("=QqqQQ")
_PARTS = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")


class Verdict(NamedTuple):
    """What became of an incoming picture, as soon as a step knows."""

    outcome: Outcome
    reason: str | None = None


KNOWN: Final = Verdict(Outcome.ALREADY_PRESENT)
"""Of a picture that need not be asked about."""


def mark_of(status: os.stat_result) -> bytes:
    """What the file system says of a file, as 40 bytes that differ after a change of its content.

    Its size, times of modification and of change (nanoseconds), inode and device.
    """
    return _MARK.pack(*_PARTS(status))


@dataclass(slots=True)
class SameBytes:
    """What is known of one picture while at least one file with its bytes is in flight."""

    files: int = 0
    """Files in flight with these bytes."""
    label: str | None = None
    """Its label in the gallery; None while it is not there."""
    failure: Verdict | None = None
    """Why the first file with these bytes did not get in."""


@dataclass(slots=True)
class Incoming:
    """A labelled picture on its way into the gallery. Each step fills in its part.

    Large parts are dropped as soon as the next step has used them, so that a queue of
    these holds no more than it must.
    """

    source: str
    """Where it came from, for people."""
    label: str
    """In its one spelling (`holotype.intake.words.clean_label`)."""
    group: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    """The file to read, as the system spells its path; None where `data` came with it."""
    status: os.stat_result | None = field(default=None, compare=False)
    """Of the file, from before it was read; None where it could not be had."""
    looked_ns: int = field(default=0, compare=False)
    """From before `status` was looked up, nanoseconds since the epoch."""
    data: bytes | None = None
    """The file's bytes, until they are decoded or found to be known."""
    sha256: str | None = None
    """Hex sha256 of the bytes, from `identify`."""
    id: str | None = None
    """The reference's id, from `identify`."""
    same_bytes: SameBytes | None = None
    """All files with these bytes that are in flight, from the step `ask`."""
    is_new: bool = False
    """Not in the gallery and the first of its bytes in flight, from the step `ask`."""
    picture: Picture | None = None
    """From the step `decode`, until it is embedded."""
    note: str | None = None
    """What a person should know of the picture, from the step `decode`."""
    embedded: EmbeddedReference | None = None
    """From the step `embed`, until it is written."""
    verdict: Verdict | None = None
    """None while it is still on its way."""

    @classmethod
    def refused(cls, source: str, reason: str, *, file: str | None = None) -> Incoming:
        """A file that fails before it is read: it goes along only to be reported."""
        return cls(source=source, label="", file=file, verdict=Verdict(Outcome.FAILED, reason))

    @property
    def path(self) -> Path | None:
        """The file to read. Made anew each time, which takes longer than most steps."""
        return None if self.file is None else Path(self.file)

    @property
    def needs_work(self) -> bool:
        """Whether it is still to be decoded, embedded and written."""
        return self.is_new and self.verdict is None

    def identify(self, sha256: str) -> None:
        """Say which bytes these are: the same bytes are the same reference."""
        self.sha256, self.id = sha256, reference_id(sha256)

    def end(self, outcome: Outcome, reason: str | None = None) -> None:
        """Give the verdict and let go of everything large."""
        self.verdict = Verdict(outcome, reason)
        self.data = self.picture = self.embedded = None

    def report(self) -> FileOutcome:
        """The line of the report; the verdict must have been given."""
        verdict = self.verdict
        assert verdict is not None
        return FileOutcome(
            self.source, verdict.outcome, self.label or None, self.id, verdict.reason
        )


class Source(Protocol):
    """Pictures with their labels, in order. Iterating again looks again."""

    @property
    def left_out(self) -> LeftOut:
        """What the last iteration, once it is through, did not take."""
        ...

    def __iter__(self) -> Iterator[Incoming]:
        """Every picture; one that cannot be used comes out as failed."""
        ...

    def count(self) -> int:
        """How many there are, cheaper than iterating."""
        ...

    def class_counts(self) -> Counter[str]:
        """Pictures by label, cheaper than iterating; those without one are not counted."""
        ...
