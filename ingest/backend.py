"""Where the pipeline sends what it finds: the one seam of this package.

`ingest.local` decodes, embeds and stores in this process, `ingest.remote` has a running
service do it, `ingest.dry_run` changes nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

from holotype.intake.incoming import Incoming

Chunks = Generator[list[Incoming], None, None]
"""Records in the order in which files were found, some at a time."""


class Backend(Protocol):
    """Knows which pictures are there, and adds new ones."""

    def state(self) -> str | None:
        """What the gallery holds, as a short text that differs after any change.

        None where that cannot be told, or where somebody else may change the gallery while
        this run goes on: then it must be asked about every picture.
        """
        ...

    def known(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Label of each of these ids that is in the gallery; absent ids are left out."""
        ...

    def add(self, chunks: Chunks) -> Chunks:
        """Add every record that `needs_work`; the others pass through, all in order.

        A record comes out with its verdict, and as `added` only when it is durable. One
        that turned out to be present meanwhile went through `holotype.intake.steps.pass_on`.

        Raises:
            HolotypeError: the run cannot go on.
        """
        ...

    def relabel(self, label: str, ids: Sequence[str]) -> None:
        """Give another label to these references, durably."""
        ...
