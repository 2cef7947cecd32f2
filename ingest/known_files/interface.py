"""What the pipeline asks for hashes that it need not compute, and labels it need not ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holotype.intake.incoming import Incoming


class Hashes(Protocol):
    """Remembers files from run to run; `ingest.known_files.cache` keeps them in a file."""

    def begin(self, state: str | None) -> None:
        """A run begins on a gallery in this state (`Backend.state`)."""
        ...

    def look_up(self, items: Sequence[Incoming]) -> None:
        """Identify those of these files that have not changed since they were remembered.

        Those whose picture is certain to be present under its label get that verdict.
        """
        ...

    def remember(self, items: Sequence[Incoming]) -> None:
        """Keep the hashes of these files, which were just read."""
        ...

    def forget(self, item: Incoming) -> None:
        """This file's hash was wrong."""
        ...

    def settled(self, items: Sequence[Incoming]) -> None:
        """These have their verdicts, and what was added is durable."""
        ...

    def end(self, state: str | None) -> None:
        """The run is over, all of it settled, and the gallery is in this state."""
        ...


class NoHashes:
    """Every file is read."""

    def begin(self, state: str | None) -> None:
        """See `Hashes.begin`."""

    def look_up(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.look_up`."""

    def remember(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.remember`."""

    def forget(self, item: Incoming) -> None:
        """See `Hashes.forget`."""

    def settled(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.settled`."""

    def end(self, state: str | None) -> None:
        """See `Hashes.end`."""
