"""A shard's write-ahead log, made durable from outside of the engine.

The engine brings the log to the disk only in its `flush`, which also writes everything else
and holds the interpreter meanwhile (80 ms for 32 references). Whatever reached the log comes
back at the next opening, so a write is safe once the log's files are synced: 7 to 11 ms, in
which other threads go on. The engine writes these files through shared memory; `fdatasync`
of any descriptor takes that in.

The log is also where a write meets a full disk first, as a `SIGBUS` where a page of a file
with holes cannot be had. So some room is kept allocated ahead of its end: enough for thousands
of removals, which is how a user gets space again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from holotype.store.files import allocate, data_end, sync_data, sync_folder

AHEAD: Final = 1 << 20
"""Bytes that are kept allocated; the removal of 1,024 references takes 40 kB."""

LOW: Final = 256 << 10
"""So many must be left for a removal to begin."""

_SEGMENT = re.compile(r"(open|closed)-\d+")
_OTHERS = re.compile(r"first-index|tmp-.*")


class Log:
    """The open files of one log. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Look at the log in `folder`; nothing is opened yet."""
        self._folder = folder
        self._files: dict[int, int] = {}
        self._allocated: dict[int, int] = {}

    def sync(self) -> bool:
        """Bring the log to the disk.

        Returns:
            False where the folder does not look as expected: then nothing is promised.

        Raises:
            OSError: the disk refused.
        """
        if not self._look():
            return False
        for descriptor in self._files.values():
            sync_data(descriptor)
        return True

    def size(self) -> int:
        """About how many bytes of log there are, read or not."""
        return sum(self._allocated.values())

    def make_room(self) -> bool:
        """Keep room allocated behind the log's end; False where less than `LOW` is left."""
        if not self._look():
            return True  # it cannot be told, so nothing is refused for it
        room = True
        for inode, descriptor in self._files.items():
            allocated, size = self._allocated[inode], os.fstat(descriptor).st_size
            if allocated == size or (allocated >= LOW and _is_empty(descriptor, allocated - LOW)):
                continue
            wanted = min(allocated + AHEAD, size)
            try:
                allocate(descriptor, wanted)
            except OSError:
                room = False
            else:
                self._allocated[inode] = wanted
        return room

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
        self._allocated.clear()

    def _look(self) -> bool:
        """Open new segments and let go of those that are gone; False: not what is expected."""
        there: set[int] = set()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if _OTHERS.fullmatch(entry.name):
                    continue
                if not _SEGMENT.fullmatch(entry.name):
                    return False
                there.add(entry.inode())
                if entry.inode() not in self._files:
                    descriptor = os.open(entry.path, os.O_RDWR)
                    self._files[entry.inode()] = descriptor
                    self._allocated[entry.inode()] = data_end(descriptor)
                    sync_folder(self._folder)
        for inode in self._files.keys() - there:
            os.close(self._files.pop(inode))
            del self._allocated[inode]
        return bool(there)


def _is_empty(descriptor: int, start: int) -> bool:
    """Whether the `LOW` bytes from here on are zeros, which no entry of a log is."""
    return not os.pread(descriptor, LOW, start).strip(b"\0")
