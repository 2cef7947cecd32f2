"""The pictures that were asked about and are not settled yet.

The store cannot answer for a picture that is on its way into it. Without this, the same
bytes twice in one folder would be embedded twice, and a picture under two labels would
silently end under the last one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from holotype.intake.incoming import SameBytes

MOST_FIRSTS = 100_000
"""Pictures of a run whose duplicates are told of which file they are one: about 20 MB."""


class InFlight:
    """`SameBytes` by id. Shared by the thread that asks and the thread that settles.

    Its size is the number of files between the two, and up to `MOST_FIRSTS` sources.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._standings: dict[str, SameBytes] = {}
        self._firsts: dict[str, str] = {}

    def enter(self, id_: str) -> tuple[SameBytes, bool]:
        """One more file with these bytes; whether it is the only one in flight."""
        with self._guard:
            standing = self._standings.get(id_)
            if standing is None:
                standing = self._standings[id_] = SameBytes()
            standing.files += 1
            return standing, standing.files == 1

    def added(self, id_: str, source: str) -> None:
        """A picture was added from there, so that others with its bytes can be told."""
        with self._guard:
            if len(self._firsts) < MOST_FIRSTS:
                self._firsts.setdefault(id_, source)

    def first(self, id_: str) -> str | None:
        """From where the picture was added in this run; None where it was not, or too long ago."""
        with self._guard:
            return self._firsts.get(id_)

    def leave(self, ids: Iterable[str]) -> None:
        """For each of these ids, one file with its bytes is settled."""
        with self._guard:
            for id_ in ids:
                standing = self._standings[id_]
                standing.files -= 1
                if standing.files == 0:
                    del self._standings[id_]
