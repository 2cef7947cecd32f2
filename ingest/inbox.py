"""A folder that others put files into: which of them are complete, and not yet dealt with.

A file is complete when its size, modification time and inode are the same at two looks, or
when it was moved or copied in with its old modification time: the time of its last change
of any kind (ctime) is then later than that of its content (mtime), so nobody has written to
it since. Both times come from the same clock. A file that changes later is looked at anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from holotype.intake.folders import Folders
from holotype.intake.incoming import Incoming

AT_ONCE = 10_000
"""Files that one look returns at most, so that a large inbox is taken in pieces."""

_MOVED_IN_NS = 1_000_000_000
"""A writer sets both times at once; a second apart is more than any file system rounds."""


class _Signature(NamedTuple):
    """What changes when a file's content changes."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(slots=True)
class _Seen:
    signature: _Signature
    settled: bool = False


class Inbox:
    """Looks at a folder again and again. `Folders` says what is a picture and its label."""

    def __init__(self, found: Folders) -> None:
        """Start without having seen anything: what is there already is found, too."""
        self._found = found
        self._seen: dict[str, _Seen] = {}
        self._left_out = ""

    @property
    def left_out(self) -> str:
        """What the last look that was finished passed over, for people."""
        return self._left_out

    def look(self) -> list[Incoming]:
        """Complete files that are not settled, in order, at most `AT_ONCE`.

        Raises:
            UsageError: the folder is not there, or cannot be listed.
        """
        present: set[str] = set()
        complete = list(islice(self._complete(present), AT_ONCE))
        if len(complete) < AT_ONCE:  # otherwise the look was not finished
            self._left_out = str(self._found.left_out)
            for file in self._seen.keys() - present:
                del self._seen[file]
        return complete

    def settle(self, item: Incoming) -> None:
        """This file has its outcome; it comes back only if it changes."""
        if item.file is not None and item.file in self._seen:
            self._seen[item.file].settled = True

    def _complete(self, present: set[str]) -> Iterator[Incoming]:
        for item in self._found:
            if item.file is None:
                continue
            present.add(item.file)
            status = item.status or _status(Path(item.file))
            if status is not None and self._is_complete(item.file, status):
                yield item

    def _is_complete(self, file: str, status: os.stat_result) -> bool:
        signature = _Signature(status.st_size, status.st_mtime_ns, status.st_ino)
        before = self._seen.get(file)
        if before is not None and before.signature == signature:
            return not before.settled
        self._seen[file] = _Seen(signature)
        return status.st_ctime_ns - status.st_mtime_ns > _MOVED_IN_NS


def _status(path: Path) -> os.stat_result | None:
    """Of a file without a label, or of a link that leads nowhere; None where it is gone again."""
    try:
        return path.stat()
    except OSError:
        try:
            return path.lstat()
        except OSError:
            return None
