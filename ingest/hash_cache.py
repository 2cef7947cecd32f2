"""The hashes of files that have not changed since they were read: `HOME/<gallery>/files.sqlite`.

Adding a known folder again then costs a look at each file instead of reading it. A file has
not changed where its size, its times of modification and of change, its inode and its device
are all the same; the time of change (ctime) cannot be set by a program, so tools that keep the
modification time do not fool it. Two rules against clocks:

- A file is remembered only if its times lay at least `RACY_NS` before it was looked at. A later
  write could otherwise fall into the same tick of the file system's clock and leave no trace
  (git calls such an entry racy and does the same).
- Nothing is trusted across a clock that was set back: a cache that was written later than now
  is emptied, because files could change once more at times that they already had.

Whatever is wrong with the cache, it is started anew: it is only ever a shortcut.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from holotype.intake.incoming import FileStamp, Incoming

RACY_NS = 2_000_000_000
"""The coarsest clock of a file system in use: FAT keeps times to 2 s."""

_FORMAT = 1

_TABLES = f"""
DROP TABLE IF EXISTS files;
DROP TABLE IF EXISTS written;
CREATE TABLE files (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
    inode INTEGER, device INTEGER, sha256 BLOB
) WITHOUT ROWID;
CREATE TABLE written (only INTEGER PRIMARY KEY CHECK (only = 0), at_ns INTEGER);
PRAGMA user_version = {_FORMAT};
"""


class Hashes(Protocol):
    """What the pipeline asks for hashes that it need not compute."""

    def look_up(self, items: Sequence[Incoming]) -> None:
        """Identify those of these files that have not changed since they were remembered."""
        ...

    def remember(self, items: Sequence[Incoming]) -> None:
        """Keep the hashes of these files, which were just read."""
        ...

    def forget(self, item: Incoming) -> None:
        """This file's hash was wrong."""
        ...


class NoHashes:
    """Every file is read."""

    def look_up(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.look_up`."""

    def remember(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.remember`."""

    def forget(self, item: Incoming) -> None:
        """See `Hashes.forget`."""


class HashCache:
    """Hashes in a file. Safe to use from several threads."""

    def __init__(self, file: Path, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Open it, or start it where it is missing or damaged.

        Args:
            file: its folder is made if need be.
            clock: nanoseconds since the epoch.

        Raises:
            OSError, sqlite3.Error: it cannot be kept there.
        """
        self._clock = clock
        self._guard = threading.Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._rows = _connect(file)
        except sqlite3.DatabaseError:
            for part in ("", "-wal", "-shm"):
                file.with_name(file.name + part).unlink(missing_ok=True)
            self._rows = _connect(file)
        self._empty_after_a_step()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._guard:
            self._rows.close()

    def look_up(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.look_up`."""
        looked_at = [(_key(i.path), i.stamp, i) for i in items if i.path and i.stamp]
        marks = ",".join("?" * len(looked_at))
        found: dict[bytes, tuple[Any, ...]] = {}
        with self._shortcut():
            self._empty_after_a_step()
            rows = self._rows.execute(
                f"SELECT * FROM files WHERE path IN ({marks})",  # noqa: S608  question marks only
                [key for key, _, _ in looked_at],
            )
            found = {row[0]: row for row in rows}
        for key, stamp, item in looked_at:
            row = found.get(key)
            if row is not None and row[1:6] == stamp[:5]:
                item.identify(row[6].hex())

    def remember(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.remember`; a file whose last change may still be going on is left out."""
        rows = [
            (_key(item.path), *item.stamp[:5], bytes.fromhex(item.sha256))
            for item in items
            if item.path and item.stamp and item.sha256 and _has_settled(item.stamp)
        ]
        if not rows:
            return
        with self._shortcut():
            self._rows.executemany("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?)", rows)
            self._rows.execute("INSERT OR REPLACE INTO written VALUES (0, ?)", (self._clock(),))
            self._rows.commit()

    def forget(self, item: Incoming) -> None:
        """See `Hashes.forget`."""
        assert item.path is not None
        with self._shortcut():
            self._rows.execute("DELETE FROM files WHERE path = ?", (_key(item.path),))
            self._rows.commit()

    @contextmanager
    def _shortcut(self) -> Iterator[None]:
        """A full disk or a lock that stays must not end a run: the file is just read."""
        with self._guard, suppress(sqlite3.Error):
            yield

    def _empty_after_a_step(self) -> None:
        row = self._rows.execute("SELECT at_ns FROM written").fetchone()
        if row is not None and row[0] > self._clock():
            self._rows.execute("DELETE FROM files")
            self._rows.execute("DELETE FROM written")
            self._rows.commit()


@contextmanager
def open_hashes(file: Path) -> Iterator[Hashes]:
    """The cache in this file; where none can be kept, every file is read."""
    try:
        cache = HashCache(file)
    except (OSError, sqlite3.Error):
        yield NoHashes()
        return
    with cache:
        yield cache


def _connect(file: Path) -> sqlite3.Connection:
    rows = sqlite3.connect(file, timeout=5, check_same_thread=False)
    try:
        # The log is written without waiting for the disk: a power cut costs hashes, not sense.
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = NORMAL")
        if rows.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
            rows.executescript(_TABLES)
    except sqlite3.Error:
        rows.close()
        raise
    return rows


def _has_settled(stamp: FileStamp) -> bool:
    return max(stamp.mtime_ns, stamp.ctime_ns) + RACY_NS < stamp.looked_ns


def _key(path: Path) -> bytes:
    return os.fsencode(path if path.is_absolute() else Path.cwd() / path)
