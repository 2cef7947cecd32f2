"""What is known of files that have not changed: `HOME/<gallery>/files.sqlite`.

Adding a known folder again then costs a look at each file instead of reading it, and no
question to the gallery where that has not changed either.

**The hash of a file.** A file has not changed where its size, its times of modification and of
change, its inode and its device are all the same; the time of change (ctime) cannot be set by a
program, so tools that keep the modification time do not fool it. Two rules against clocks:

- A file is remembered only if its times lay at least `RACY_NS` before it was looked at. A later
  write could otherwise fall into the same tick of the file system's clock and leave no trace
  (git calls such an entry racy and does the same).
- Nothing is trusted across a clock that was set back: a cache that was written later than now
  is emptied, because files could change once more at times that they already had.

**Its picture's label in the gallery.** `Backend.state` says in what state the gallery is, and is
None where somebody else could change it meanwhile or where this run may relabel. While the state
is the one that was recorded at the end of the last run, every picture that was settled as present
then still is, under that label. Rules:

- A row belongs to an epoch, and counts only while its epoch is the recorded one.
- The recorded state is erased before the first row of a run is settled and comes back, as it is
  then, at the run's end. A run that dies in between leaves none, and the next one asks again.
- Another state than the recorded one begins a new epoch.

Whatever is wrong with the cache, it is started anew: it is only ever a shortcut.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from holotype.intake.incoming import KNOWN, Incoming, mark_of
from holotype.outcomes import Outcome

RACY_NS = 2_000_000_000
"""The coarsest clock of a file system in use: FAT keeps times to 2 s."""

_FORMAT = 2

_TABLES = f"""
DROP TABLE IF EXISTS files;
DROP TABLE IF EXISTS written;
DROP TABLE IF EXISTS gallery;
CREATE TABLE files (
    folder BLOB, name BLOB, mark BLOB, id TEXT, sha256 BLOB, label TEXT, epoch INTEGER,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE TABLE written (only INTEGER PRIMARY KEY CHECK (only = 0), at_ns INTEGER);
CREATE TABLE gallery (only INTEGER PRIMARY KEY CHECK (only = 0), epoch INTEGER, state TEXT);
PRAGMA user_version = {_FORMAT};
"""

_FIND = """
SELECT name, mark, id, sha256, CASE WHEN epoch = ? THEN label END FROM files WHERE folder = ?
"""
_FROM = f"{_FIND} AND name >= ? ORDER BY name LIMIT ?"
_ANY = f"{_FIND} AND name IN"

_Row = tuple[bytes, bytes, str, bytes, str | None]
"""Name, mark, id, sha256, and the picture's label in the gallery, None where that must be asked."""

_PRESENT = frozenset({Outcome.ADDED, Outcome.ALREADY_PRESENT})
"""Outcomes that say: it is in the gallery, under the label that was asked for."""


class Hashes(Protocol):
    """What the pipeline asks for hashes that it need not compute, and labels it need not ask."""

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


class HashCache:
    """Hashes in a file. Safe to use from several threads; one run at a time."""

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
        self._epoch: int | None = None
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

    def begin(self, state: str | None) -> None:
        """See `Hashes.begin`."""
        self._epoch = None
        if state is None:
            return
        with self._shortcut():
            self._empty_after_a_step()
            found = self._rows.execute("SELECT epoch, state FROM gallery").fetchone()
            epoch, recorded = found or (0, None)
            if recorded != state:
                epoch += 1
                self._rows.execute("INSERT OR REPLACE INTO gallery VALUES (0, ?, NULL)", (epoch,))
                self._rows.commit()
            self._epoch = epoch

    def look_up(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.look_up`."""
        with self._shortcut():
            self._empty_after_a_step()
            for folder, named in _by_folder(items).items():
                rows = self._rows_of(folder, [name for name, _ in named])
                for name, item in named:
                    row = rows.get(name)
                    if row is not None and item.status and row[1] == mark_of(item.status):
                        _recall(item, row)

    def remember(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.remember`; a file whose last change may still be going on is left out."""
        rows = [
            (*_key(item.file), mark_of(item.status), item.id, bytes.fromhex(item.sha256))
            for item in items
            if item.file and item.status and item.sha256 and _has_settled(item, item.status)
        ]
        if not rows:
            return
        with self._shortcut():
            self._rows.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows
            )
            self._commit()

    def forget(self, item: Incoming) -> None:
        """See `Hashes.forget`."""
        assert item.file is not None
        with self._shortcut():
            self._rows.execute("DELETE FROM files WHERE folder = ? AND name = ?", _key(item.file))
            self._rows.commit()

    def settled(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.settled`; what was trusted is known already."""
        if self._epoch is None:
            return
        rows = [
            (item.label, self._epoch, *_key(item.file), item.id)
            for item in items
            if item.standing and item.file and item.verdict and item.verdict.outcome in _PRESENT
        ]
        if not rows:
            return
        with self._shortcut():
            self._rows.execute("UPDATE gallery SET state = NULL")
            self._rows.executemany(
                "UPDATE files SET label = ?, epoch = ? WHERE folder = ? AND name = ? AND id = ?",
                rows,
            )
            self._commit()

    def end(self, state: str | None) -> None:
        """See `Hashes.end`."""
        if self._epoch is None or state is None:
            return
        with self._shortcut():
            self._rows.execute("UPDATE gallery SET state = ? WHERE epoch = ?", (state, self._epoch))
            self._commit()

    def _rows_of(self, folder: bytes, names: Sequence[bytes]) -> dict[bytes, _Row]:
        """By name. Names mostly come in order, and reading on takes half the time of seeking."""
        first = (self._epoch, folder, min(names), 2 * len(names))
        rows = {row[0]: row for row in self._rows.execute(_FROM, first)}
        missing = [name for name in names if name not in rows]
        if missing:
            marks = ",".join("?" * len(missing))
            found = self._rows.execute(f"{_ANY} ({marks})", (self._epoch, folder, *missing))
            rows |= {row[0]: row for row in found}
        return rows

    @contextmanager
    def _shortcut(self) -> Iterator[None]:
        """A full disk or a lock that stays must not end a run: the file is just read."""
        with self._guard, suppress(sqlite3.Error):
            yield

    def _commit(self) -> None:
        self._rows.execute("INSERT OR REPLACE INTO written VALUES (0, ?)", (self._clock(),))
        self._rows.commit()

    def _empty_after_a_step(self) -> None:
        row = self._rows.execute("SELECT at_ns FROM written").fetchone()
        if row is not None and row[0] > self._clock():
            self._epoch = None
            self._rows.execute("DELETE FROM files")
            self._rows.execute("DELETE FROM written")
            self._rows.execute("UPDATE gallery SET state = NULL")
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


def _recall(item: Incoming, row: _Row) -> None:
    _, _, item.id, sha256, label = row
    item.sha256 = sha256.hex()
    if label == item.label:
        item.verdict = KNOWN


def _has_settled(item: Incoming, status: os.stat_result) -> bool:
    return max(status.st_mtime_ns, status.st_ctime_ns) + RACY_NS < item.looked_ns


def _by_folder(items: Iterable[Incoming]) -> dict[bytes, list[tuple[bytes, Incoming]]]:
    """Files that can be looked up, by their folder, with their names in it."""
    found: dict[str, list[tuple[bytes, Incoming]]] = {}
    for item in items:
        if item.file is not None and item.status is not None:
            folder, _, name = item.file.rpartition(os.sep)
            found.setdefault(folder, []).append((name.encode(errors="surrogateescape"), item))
    return {_folder_key(folder): named for folder, named in found.items()}


def _key(file: str) -> tuple[bytes, bytes]:
    folder, _, name = file.rpartition(os.sep)
    return _folder_key(folder), name.encode(errors="surrogateescape")


def _folder_key(folder: str) -> bytes:
    path = Path(folder)
    return os.fsencode(path if path.is_absolute() else Path.cwd() / path)
