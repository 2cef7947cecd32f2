"""The clock behind `changed_at`."""

from __future__ import annotations

import threading
import time


class ChangeClock:
    """Microseconds since the epoch, UTC, that only ever go up in one process.

    Two changes within a microsecond, or a system clock that is set back, still give
    different and growing numbers, so that `GalleryState` differs after every change.
    """

    def __init__(self, last: int = 0) -> None:
        """Start after `last`, the largest `changed_at` in the gallery."""
        self._last = last
        self._guard = threading.Lock()

    def next(self) -> int:
        """Now, or one more than the last answer, whichever is larger."""
        with self._guard:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return self._last
