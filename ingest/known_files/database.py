"""The database behind `.cache`: its tables, how it is opened, how files are found."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from holotype.intake.incoming import Incoming, mark_of

_FORMAT = 3

_PATIENCE_S = 5.0
"""For another process that writes."""

_TABLES = f"""
DROP TABLE IF EXISTS files;
DROP TABLE IF EXISTS runs;
DROP TABLE IF EXISTS written;
DROP TABLE IF EXISTS gallery;
CREATE TABLE files (
    folder BLOB, name BLOB, mark BLOB, id TEXT, sha256 BLOB, label TEXT, epoch INTEGER,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE TABLE runs (
    folder BLOB, first BLOB, digest BLOB, ids TEXT, label TEXT, epoch INTEGER,
    PRIMARY KEY (folder, first)
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

Row = tuple[bytes, bytes, str, bytes, str | None]
"""Name, mark, id, sha256, and the picture's label in the gallery, None where that must be asked."""


@dataclass(slots=True)
class Run:
    """Some files of one folder, in the order in which they were found."""

    folder: bytes
    names: list[bytes] = field(default_factory=list)
    marks: list[bytes] = field(default_factory=list)
    """What the file system says of each."""
    items: list[Incoming] = field(default_factory=list)

    def digest(self, ids: str, label: str) -> bytes:
        """The same where no name, no mark and nothing that is kept of them has changed."""
        # No name and no label holds a zero byte, and every mark is equally long.
        names = b"\0".join(self.names) + b"\0\0" + b"".join(self.marks)
        kept = f"{ids}\0{label}\0".encode("utf-8", "surrogatepass")
        return hashlib.sha256(kept + names).digest()


def open_or_start(file: Path) -> sqlite3.Connection:
    """Open the database, or start it where it is missing or damaged.

    Raises:
        OSError, sqlite3.Error: it cannot be kept there, or somebody else is at it.
    """
    try:
        return _connect(file)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
    return start(file)


def start(file: Path) -> sqlite3.Connection:
    """A new database in place of what is there.

    Raises:
        OSError, sqlite3.Error: it cannot be kept there.
    """
    for part in ("", "-wal", "-shm"):
        file.with_name(file.name + part).unlink(missing_ok=True)
    return _connect(file)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is to blame, rather than its place, a full disk or another process."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # from the module, not from SQLite: a text that is none
        return isinstance(error, sqlite3.OperationalError)
    # The low byte: extended codes say more of the same. A plain error is a table that is gone.
    return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


def _connect(file: Path) -> sqlite3.Connection:
    """Open the database, and make its tables where they are missing or of another format."""
    rows = sqlite3.connect(file, timeout=_PATIENCE_S, check_same_thread=False)
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


def find(
    rows: sqlite3.Connection, folder: bytes, names: Sequence[bytes], *, epoch: int | None
) -> dict[bytes, Row]:
    """What is known of these files, by name."""
    # Names mostly come in order, and reading on takes half the time of seeking each.
    found = rows.execute(_FROM, (epoch, folder, min(names), 2 * len(names)))
    known = {row[0]: row for row in found}
    missing = [name for name in names if name not in known]
    if missing:
        marks = ",".join("?" * len(missing))
        found = rows.execute(f"{_ANY} ({marks})", (epoch, folder, *missing))
        known |= {row[0]: row for row in found}
    return known


def runs_of(items: Iterable[Incoming]) -> Iterable[Run]:
    """The files among these that can be looked up, by folder."""
    runs: dict[str, Run] = {}
    for item in items:
        file, status = item.file, item.status
        if file is None or status is None:
            continue
        folder, _, name = file.rpartition(os.sep)
        run = runs.get(folder)
        if run is None:
            run = runs[folder] = Run(_folder_key(folder))
        run.names.append(name.encode("utf-8", "surrogateescape"))
        run.marks.append(mark_of(status))
        run.items.append(item)
    return runs.values()


def key_of(file: str) -> tuple[bytes, bytes]:
    """Folder and name of a file, the folder whole."""
    folder, _, name = file.rpartition(os.sep)
    return _folder_key(folder), name.encode("utf-8", "surrogateescape")


def _folder_key(folder: str) -> bytes:
    return os.fsencode(folder if folder.startswith(os.sep) else Path.cwd() / folder)
