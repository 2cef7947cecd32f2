"""How often something may be done that costs time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SHARE: Final = 20
"""What is done in the background takes one part in so many of the time, at most."""


class Pace:
    """When something is due again, by how long it took."""

    def __init__(self) -> None:
        self.due_at = 0.0
        """Monotonic seconds."""

    @property
    def due(self) -> bool:
        """Whether it may be done now."""
        return time.monotonic() >= self.due_at

    @contextmanager
    def timed(self, *, at_most_every: float = 0.0, share: int = SHARE) -> Iterator[None]:
        """The block does it. Whether or not it fails, it is due again only after a while."""
        began = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            self.due_at = ended + max(at_most_every, share * (ended - began))
