"""Queries in doubt, kept for a person to look at.

They lie beside the gallery, in `HOME/<gallery>/review/`, because they are not references:
nobody has said yet what they are. A picture is a file there, `<sha256>.image`; what is known
of it is a row of `index.sqlite`. Kept only where the setting `keep_queries` allows it, and no
more than it says. Each replica of a service keeps its own.

Everything here touches the disk: it belongs into threads, never on the way of an answer.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holotype.errors import NotFound, ServiceError
from holotype.intake.words import readable
from holotype.store.files import read_json

LOST = "description lost"
"""The reason of a picture of which only its bytes are left."""

CACHE_KIB = 16 << 10
"""Of the index, in memory at most: what counting 100,000 queries reads."""

PATIENCE_S = 10.0
"""How long one call waits for another process that writes the index."""

REGRETTED = 100
"""Queries that have left and can still be brought back: those that left last."""

_ID = re.compile(r"[0-9a-f]{64}")
_IMAGE, _SCRATCH, _DESCRIPTION = ".image", ".new", ".json"

# `place` orders by when a query was kept, and never comes back: pages go on from it.
_TABLES = """
CREATE TABLE IF NOT EXISTS kept (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, query TEXT, kept_at TEXT, reason TEXT, answers TEXT
);
CREATE TABLE IF NOT EXISTS gone (
    turn INTEGER PRIMARY KEY AUTOINCREMENT,
    place INTEGER, id TEXT NOT NULL UNIQUE, query TEXT, kept_at TEXT, reason TEXT, answers TEXT
);
"""
_PUT = """
INSERT OR REPLACE INTO kept (id, query, kept_at, reason, answers) VALUES (?, ?, ?, ?, ?)
"""
_PAGE = "SELECT * FROM kept WHERE place < ? ORDER BY place DESC LIMIT ?"
_ONE = "SELECT * FROM kept WHERE id = ?"
_COUNT = "SELECT COUNT(*) FROM kept"
_LEAVE = """
INSERT OR REPLACE INTO gone (place, id, query, kept_at, reason, answers)
SELECT place, id, query, kept_at, reason, answers FROM kept WHERE id = ?
"""
_LEFT = "SELECT place, id, query, kept_at, reason, answers FROM gone WHERE id = ?"
_BEYOND_REGRET = "SELECT id FROM gone ORDER BY turn DESC LIMIT -1 OFFSET ?"
_PUT_BACK = """
INSERT INTO kept (place, id, query, kept_at, reason, answers) VALUES (?, ?, ?, ?, ?, ?)
"""
_COUNT_ALL = "SELECT (SELECT COUNT(*) FROM kept) + (SELECT COUNT(*) FROM gone)"
_LEFT_FIRST = "SELECT id FROM gone ORDER BY turn LIMIT ?"
_OLDEST = "SELECT id FROM kept ORDER BY place LIMIT ?"
_LAST_PLACE = 2**63 - 1


class ReviewUnusable(ServiceError):
    """The queue's folder or its index cannot be read or written."""

    def __init__(self, folder: Path, error: Exception) -> None:
        super().__init__(
            f"the queries kept for review in {folder} cannot be used: {error}. Make room on "
            "that disk, or restart the service, which makes a damaged index anew",
            status=503,
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A query in doubt, without its bytes."""

    id: str
    """Hex sha256 of the file's bytes."""
    query: str
    """The file name as uploaded."""
    kept_at: str
    """ISO 8601, UTC."""
    reason: str
    """Why it is in doubt."""
    answers: dict[str, list[dict[str, Any]]]
    """What each mode said, best first: label and score."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class KeptPage:
    """Some kept queries, the newest first."""

    items: Sequence[Kept]
    total: int
    """All that are kept."""
    next_after: int | None
    """Where the next page begins; None at the end."""


class ReviewQueue:
    """The kept queries of one gallery. Safe for use by several threads and processes."""

    def __init__(self, folder: Path, *, limit: int) -> None:
        """Use a folder, made when the first query is kept.

        Args:
            folder: belongs to this queue alone.
            limit: queries kept at most; 0 keeps none.
        """
        self.limit = limit
        self._folder = folder
        self._index = folder / "index.sqlite"
        self._guard = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def keep(
        self,
        data: bytes,
        *,
        query: str,
        reason: str,
        answers: dict[str, list[dict[str, Any]]],
    ) -> None:
        """Keep a query; the same picture again replaces what was known of it.

        Raises:
            ReviewUnusable: there is no room for it, or the index is damaged.
        """
        if not self.limit:
            return
        kept = Kept(
            id=hashlib.sha256(data).hexdigest(),
            query=readable(query),
            kept_at=_iso(datetime.now(UTC)),
            reason=reason,
            answers=answers,
        )
        with self._translated():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write_image(kept.id, data)
        with self._rows() as rows:
            rows.execute(_PUT, _row(kept))
            rows.execute("DELETE FROM gone WHERE id = ?", (kept.id,))  # it owns the picture now
            # What has left makes room first: no more pictures than the limit lie on the disk.
            for count, oldest in ((_COUNT_ALL, _LEFT_FIRST), (_COUNT, _OLDEST)):
                beyond = max(rows.execute(count).fetchone()[0] - self.limit, 0)
                self._drop(rows, [id_ for (id_,) in rows.execute(oldest, (beyond,))])

    def page(self, *, limit: int, after: int | None = None) -> KeptPage:
        """Some of the kept queries, the newest first.

        Args:
            limit: queries on the page.
            after: `next_after` of the page before.

        Raises:
            ReviewUnusable: the index cannot be read.
        """
        if not self._index.exists():
            return KeptPage((), 0, None)
        with self._rows() as rows:
            below = _LAST_PLACE if after is None else after
            found = rows.execute(_PAGE, (below, limit + 1)).fetchall()
            total = rows.execute(_COUNT).fetchone()[0]
        shown = found[:limit]
        more = len(found) > limit
        return KeptPage([_kept(*row) for row in shown], total, shown[-1][0] if more else None)

    def get(self, id_: str) -> tuple[Kept, bytes]:
        """A kept query and its bytes.

        Raises:
            NotFound: it is not kept, or no longer.
            ReviewUnusable: the folder cannot be read.
        """
        kept = self._find(id_)
        if kept is not None:
            try:
                with self._translated():
                    return kept, self._image(id_).read_bytes()
            except FileNotFoundError:
                self.forget(
                    [id_], for_good=True
                )  # its picture was removed by hand, or by a run that was killed
        raise NotFound(f"no query {id_!r} is kept for review (any more)")

    def picture(self, id_: str) -> bytes:
        """The bytes of a query that is kept, or has left and can be brought back.

        Raises:
            NotFound: it is neither.
            ReviewUnusable: the folder cannot be read.
        """
        if self._index.exists():
            with self._rows() as rows:
                left = rows.execute(_LEFT, (id_,)).fetchone()
            if left is not None and self._image(id_).exists():
                with self._translated():
                    return self._image(id_).read_bytes()
        return self.get(id_)[1]

    def times(self) -> dict[str, datetime]:
        """When each query was kept.

        Raises:
            ReviewUnusable: the index cannot be read.
        """
        if not self._index.exists():
            return {}
        with self._rows() as rows:
            found = rows.execute("SELECT id, kept_at FROM kept").fetchall()
        return {id_: datetime.fromisoformat(kept_at) for id_, kept_at in found}

    def forget(self, ids: Iterable[str], *, for_good: bool = False) -> int:
        """Drop kept queries; those that are not kept are passed over. How many there were.

        Args:
            ids: of the queries.
            for_good: else `bring_back` knows the last few until the service starts again.

        Raises:
            ReviewUnusable: the folder cannot be written.
        """
        if not self._index.exists():
            return 0
        with self._rows() as rows:
            known = [id_ for id_ in ids if rows.execute(_ONE, (id_,)).fetchone()]
            if for_good:
                self._drop(rows, known)
                return len(known)
            rows.executemany(_LEAVE, [(id_,) for id_ in known])
            rows.executemany("DELETE FROM kept WHERE id = ?", [(id_,) for id_ in known])
            self._drop(rows, [id_ for (id_,) in rows.execute(_BEYOND_REGRET, (REGRETTED,))])
        return len(known)

    def bring_back(self, id_: str) -> None:
        """Keep a query again that has left, in its old place; one that is kept stays as it is.

        Raises:
            NotFound: it never was there, or left too long ago.
            ReviewUnusable: the folder cannot be written.
        """
        if self._find(id_) is not None:
            return
        if self._index.exists():
            with self._rows() as rows:
                left = rows.execute(_LEFT, (id_,)).fetchone()
                if left is not None and self._image(id_).exists():
                    place, kept = left[0], _kept(*left)
                    # What happened to its picture before is known to who brings it back.
                    kept = replace(kept, kept_at=_iso(datetime.now(UTC)))
                    rows.execute(_PUT_BACK, (place, *_row(kept)))
                    rows.execute("DELETE FROM gone WHERE id = ?", (id_,))
                    return
        raise NotFound(f"query {id_!r} cannot be brought back: it left too long ago")

    def settle(self) -> None:
        """Bring folder and index together: to be called once, before anything is kept.

        An index that is damaged is set aside and made anew. A picture without a row is taken in:
        with the description that earlier versions wrote beside it, or with none.

        Raises:
            ReviewUnusable: the folder cannot be read or written.
        """
        if not self._folder.exists():
            return
        try:
            self._take_in()
        except ReviewUnusable as error:
            if not _is_damage(error.__cause__):
                raise
            with self._translated():
                self._index.replace(self._index.with_suffix(".damaged"))
                for log in ("-wal", "-shm"):
                    self._index.with_name(self._index.name + log).unlink(missing_ok=True)
            self._take_in()

    def close(self) -> None:
        """Let go of the index; it is opened again where it is needed."""
        with self._guard:
            self._let_go()

    def _take_in(self) -> None:
        with self._rows() as rows:
            self._drop(rows, [id_ for (id_,) in rows.execute("SELECT id FROM gone")])
            known = {id_ for (id_,) in rows.execute("SELECT id FROM kept")}
            found = [self._described(id_) for id_ in self._stems(_IMAGE) if id_ not in known]
            found.sort(key=lambda kept: kept.kept_at)
            rows.executemany(_PUT, [_row(kept) for kept in found])
        with self._translated():
            for id_ in self._stems(_DESCRIPTION):
                self._description(id_).unlink(missing_ok=True)
            for id_ in self._stems(_SCRATCH):
                (self._folder / f"{id_}{_SCRATCH}").unlink(missing_ok=True)

    def _stems(self, suffix: str) -> list[str]:
        with self._translated():
            names = [file.name for file in self._folder.iterdir()]
        stems = (name.removesuffix(suffix) for name in names if name.endswith(suffix))
        return [stem for stem in stems if _ID.fullmatch(stem)]

    def _described(self, id_: str) -> Kept:
        """What an earlier version wrote of a picture, as far as it can be read."""
        try:
            data = read_json(self._description(id_)) or {}
        except ValueError:
            data = {}
        written = datetime.fromtimestamp(self._image(id_).stat().st_mtime, UTC)
        return Kept(
            id=id_,
            query=str(data.get("query", id_[:12])),
            kept_at=str(data.get("kept_at", _iso(written))),
            reason=str(data.get("reason", LOST)),
            answers=data.get("answers", {}),
        )

    def _find(self, id_: str) -> Kept | None:
        if not self._index.exists():
            return None
        with self._rows() as rows:
            row = rows.execute(_ONE, (id_,)).fetchone()
        return None if row is None else _kept(*row)

    def _drop(self, rows: sqlite3.Connection, ids: Sequence[str]) -> None:
        # The pictures first: that makes the room which a full disk lacks for the rows.
        for id_ in ids:
            self._image(id_).unlink(missing_ok=True)
        rows.executemany("DELETE FROM kept WHERE id = ?", [(id_,) for id_ in ids])
        rows.executemany("DELETE FROM gone WHERE id = ?", [(id_,) for id_ in ids])

    @contextmanager
    def _rows(self) -> Iterator[sqlite3.Connection]:
        """The index, in a transaction of its own."""
        with self._guard, self._translated():
            if not self._index.exists():
                self._let_go()  # somebody removed the folder
            # It stays open: closing it would wait for the disk, every time.
            rows = self._opened = self._opened or _opened(self._index)
            try:
                with rows:
                    yield rows
            except sqlite3.Error:
                self._let_go()
                raise

    def _let_go(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, sqlite3.Error) as error:
            raise ReviewUnusable(self._folder, error) from error

    def _write_image(self, id_: str, data: bytes) -> None:
        """Whole or not at all."""
        scratch = self._image(id_).with_suffix(_SCRATCH)
        try:
            scratch.write_bytes(data)
            scratch.replace(self._image(id_))
        except OSError:
            scratch.unlink(missing_ok=True)
            raise

    def _image(self, id_: str) -> Path:
        return self._folder / f"{id_}{_IMAGE}"

    def _description(self, id_: str) -> Path:
        return self._folder / f"{id_}{_DESCRIPTION}"


def _opened(index: Path) -> sqlite3.Connection:
    rows = sqlite3.connect(index, timeout=PATIENCE_S, check_same_thread=False)
    try:
        # The log is written without waiting for the disk: a power cut costs a query or two.
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = NORMAL")
        rows.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        rows.executescript(_TABLES)
    except sqlite3.Error:
        rows.close()
        raise
    return rows


def _row(kept: Kept) -> tuple[str, str, str, str, str]:
    return kept.id, kept.query, kept.kept_at, kept.reason, json.dumps(kept.answers)


def _kept(_place: int, id_: str, query: str, kept_at: str, reason: str, answers: str) -> Kept:
    return Kept(id_, query, kept_at, reason, json.loads(answers))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _is_damage(error: BaseException | None) -> bool:
    """Whether an index is no database, in contrast to one that is locked or lacks room."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )
