"""How many images may be under way. Bounds memory, and waiting time with it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from holotype.errors import ServiceError

RETRY_AFTER_S = 1
"""What a refused client is told: a batch is answered within about a second."""


class QueueFull(ServiceError):
    """Too many images are under way; the same request may succeed a little later."""

    def __init__(self, *, wanted: int, taken: int, limit: int) -> None:
        super().__init__(
            f"the service is busy: {taken} of {limit} images are under way, no room for "
            f"{wanted} more. Try again in {RETRY_AFTER_S} s",
            status=503,
        )


class Places:
    """A fixed number of places. Taken all or none, given back whatever happens."""

    def __init__(self, limit: int, *, refused: Callable[[], None] = lambda: None) -> None:
        """Nothing is under way yet.

        Args:
            limit: how many there are.
            refused: told whenever there were too few.
        """
        self.limit = limit
        self._refused = refused
        self._taken = 0
        self._guard = threading.Lock()

    @property
    def taken(self) -> int:
        """Images under way."""
        return self._taken

    def take(self, n: int) -> None:
        """Take n places.

        Raises:
            QueueFull: fewer are free.
        """
        with self._guard:
            if self._taken + n <= self.limit:
                self._taken += n
                return
            taken = self._taken
        self._refused()
        raise QueueFull(wanted=n, taken=taken, limit=self.limit)

    def give_back(self, n: int) -> None:
        """Give n places back."""
        with self._guard:
            self._taken -= n
