"""Vectors of pictures without a label, beside the gallery: `HOME/<gallery>/unlabelled.sqlite`.

So that nobody embeds a folder twice. It is a shortcut and no more: one that is damaged is started
anew, and where none can be kept pictures are embedded again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from holotype.fingerprint import Fingerprint
from holotype.references import Vectors

MOST = 500_000
"""Vectors that are kept, the oldest dropped first: 0.8 GB of 384 numbers."""

PATIENCE_S = 5.0
"""For another process that writes."""

_TABLE = """
CREATE TABLE IF NOT EXISTS vectors (
    place INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT, picture TEXT, vector BLOB,
    UNIQUE (space, picture)
)
"""
_FIND = "SELECT vector FROM vectors WHERE space = ? AND picture = ?"
_PUT = "INSERT OR REPLACE INTO vectors (space, picture, vector) VALUES (?, ?, ?)"
_DROP = "DELETE FROM vectors WHERE place <= (SELECT MAX(place) FROM vectors) - ?"


class VectorCache:
    """Vectors by what stands for a picture, of one embedding space."""

    def __init__(self, rows: sqlite3.Connection | None, fingerprint: Fingerprint) -> None:
        """Use this database; None: there is none, so nothing is known."""
        self._rows, self._space = rows, fingerprint.id
        self._bytes = 4 * fingerprint.dimension

    def get(self, pictures: Sequence[str]) -> dict[str, Vectors]:
        """(D,) float32 of each of these that is known."""
        if self._rows is None:
            return {}
        found = {}
        with suppress(sqlite3.Error):
            for picture in pictures:
                row = self._rows.execute(_FIND, (self._space, picture)).fetchone()
                if row is not None and len(row[0]) == self._bytes:
                    found[picture] = np.frombuffer(row[0], "<f4")
        return found

    def put(self, vectors: Mapping[str, Vectors]) -> None:
        """Keep these, durably as far as the disk has room."""
        if self._rows is None or not vectors:
            return
        with suppress(sqlite3.Error), self._rows:
            self._rows.executemany(
                _PUT, [(self._space, p, v.astype("<f4").tobytes()) for p, v in vectors.items()]
            )
            self._rows.execute(_DROP, (MOST,))


@contextmanager
def open_cache(file: Path, fingerprint: Fingerprint) -> Iterator[VectorCache]:
    """The cache in this file, for vectors of this space."""
    try:
        rows = _opened(file)
    except (OSError, sqlite3.Error):
        yield VectorCache(None, fingerprint)
        return
    with closing(rows):
        yield VectorCache(rows, fingerprint)


def _opened(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connected(file)
    except sqlite3.OperationalError:
        raise  # somebody is at it, or there is no room
    except sqlite3.DatabaseError:
        file.unlink(missing_ok=True)
        return _connected(file)


def _connected(file: Path) -> sqlite3.Connection:
    rows = sqlite3.connect(file, timeout=PATIENCE_S)
    try:
        rows.execute(_TABLE)
        rows.execute("SELECT place FROM vectors LIMIT 1").fetchone()
    except sqlite3.Error:
        rows.close()
        raise
    return rows
