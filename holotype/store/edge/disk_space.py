"""Room on the disk of an embedded gallery.

The engine writes through shared memory: on a full disk the process is killed by a signal
(SIGBUS), not told. So a write that takes space begins only where more than enough is free, and
some megabytes lie reserved in a file of the gallery's folder. That file is given up when the
disk is full, so that a gallery can still be opened and references can still be removed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from holotype.errors import DiskFull
from holotype.store.files import allocate

KEEP_FREE: Final = 256 << 20
"""Bytes that must be free before a write, unless a user sets another number."""

RESERVE_FILE: Final = "reserve"
RESERVE: Final = 4 << 20
"""What opening and closing take at most, and some thousand removals besides."""


class Room:
    """How much of the disk a gallery may use."""

    def __init__(self, folder: Path, *, keep_free: int) -> None:
        """Watch over the disk of `folder`.

        Args:
            folder: the gallery's.
            keep_free: bytes that must be free after a write.
        """
        self._folder = folder
        self._keep_free = keep_free

    def require(self, size: int = 0) -> None:
        """Refuse a write of about `size` bytes that does not fit.

        Raises:
            DiskFull: nothing was written.
        """
        free = free_bytes(self._folder)
        if free - size < self._keep_free:
            raise DiskFull(
                f"the disk of {self._folder} is full: {free >> 20} MB are free, of which "
                f"{self._keep_free >> 20} MB are kept. Nothing was written: free some space, or "
                "remove references (`ingest remove`), which is possible on a full disk; "
                "--min-free-mb (HOLOTYPE_MIN_FREE_MB) says how much is kept"
            )

    def keep_reserve(self) -> None:
        """Set the reserve aside where there is room for it, or give it up where there is none."""
        file = self._folder / RESERVE_FILE
        with suppress(OSError):
            if free_bytes(self._folder) < RESERVE:
                file.unlink(missing_ok=True)
            elif not file.exists() and free_bytes(self._folder) > 2 * RESERVE:
                with file.open("wb") as reserve:
                    allocate(reserve.fileno(), RESERVE)


def free_bytes(folder: Path) -> int:
    """Bytes that a user without privileges may still write there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
