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
- Files of a folder that were found certain together are kept as one digest of their names and of
  what the file system says of them, which takes a third of the time of looking each up. It
  belongs to the epoch as well.

Whatever is damaged in the cache, at its start or later, it is started anew: it is only ever a
shortcut. What SQLite does not notice is noticed here: an id must follow from its hash, and a digest
covers what it stands for. A cache that another process is at, or that cannot be written, is left
as it is, and files are read.
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
from typing import Self

from holotype.intake.incoming import KNOWN, Incoming, mark_of
from holotype.outcomes import Outcome
from holotype.references import reference_id
from ingest.known_files.database import (
    Row,
    Run,
    find,
    is_damage,
    key_of,
    open_or_start,
    runs_of,
    start,
)
from ingest.known_files.interface import Hashes, NoHashes

RACY_NS = 2_000_000_000
"""The coarsest clock of a file system in use: FAT keeps times to 2 s."""

_PRESENT = frozenset({Outcome.ADDED, Outcome.ALREADY_PRESENT})
"""Outcomes that say: it is in the gallery, under the label that was asked for."""


class _Damaged(Exception):
    """SQLite gave something that was never kept."""


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
        self._file = file
        self._clock = clock
        self._guard = threading.Lock()
        self._epoch: int | None = None
        self._state: str | None = None
        """As it is recorded now."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._rows = open_or_start(file)
        with self._shortcut():
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
        self._epoch = self._state = None
        if state is None:
            return
        with self._shortcut():
            self._empty_after_a_step()
            found = self._rows.execute(
                "SELECT CAST(epoch AS INTEGER), state FROM gallery"
            ).fetchone()
            epoch, recorded = found or (0, None)
            if recorded != state:
                epoch += 1
                self._rows.execute("DELETE FROM runs")
                self._rows.execute("INSERT OR REPLACE INTO gallery VALUES (0, ?, NULL)", (epoch,))
                self._rows.commit()
                recorded = None
            self._epoch, self._state = epoch, recorded

    def look_up(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.look_up`."""
        with self._shortcut():
            self._empty_after_a_step()
            for run in runs_of(items):
                if not self._recall_run(run):
                    self._recall_each(run)
                    self._keep_run(run)

    def remember(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.remember`; a file whose last change may still be going on is left out."""
        rows = [
            (*key_of(item.file), mark_of(item.status), item.id, bytes.fromhex(item.sha256))
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
            self._rows.execute("DELETE FROM files WHERE folder = ? AND name = ?", key_of(item.file))
            self._rows.commit()

    def settled(self, items: Sequence[Incoming]) -> None:
        """See `Hashes.settled`; what was trusted is known already."""
        if self._epoch is None:
            return
        rows = [
            (item.label, self._epoch, *key_of(item.file), item.id)
            for item in items
            if item.same_bytes and item.file and item.verdict and item.verdict.outcome in _PRESENT
        ]
        if not rows:
            return
        with self._shortcut():
            self._rows.execute("UPDATE gallery SET state = NULL")
            self._state = None
            self._rows.executemany(
                "UPDATE files SET label = ?, epoch = ? WHERE folder = ? AND name = ? AND id = ?",
                rows,
            )
            self._commit()

    def end(self, state: str | None) -> None:
        """See `Hashes.end`."""
        if self._epoch is None or state in {None, self._state}:
            return
        with self._shortcut():
            self._rows.execute("UPDATE gallery SET state = ? WHERE epoch = ?", (state, self._epoch))
            self._commit()

    def _recall_run(self, run: Run) -> bool:
        """Whether all of it is certain."""
        if self._epoch is None:
            return False
        row = self._rows.execute(
            "SELECT digest, ids, label FROM runs WHERE folder = ? AND first = ? AND epoch = ?",
            (run.folder, run.names[0], self._epoch),
        ).fetchone()
        if row is None:
            return False
        digest, ids, label = row
        if {item.label for item in run.items} != {label} or run.digest(ids, label) != digest:
            return False
        for item, id_ in zip(run.items, ids.split(), strict=True):
            item.id, item.verdict = id_, KNOWN
        return True

    def _recall_each(self, run: Run) -> None:
        rows = find(self._rows, run.folder, run.names, epoch=self._epoch)
        for name, mark, item in zip(run.names, run.marks, run.items, strict=True):
            row = rows.get(name)
            if row is not None and row[1] == mark and not _recall(item, row):
                raise _Damaged

    def _keep_run(self, run: Run) -> None:
        labels = {item.label for item in run.items}
        if len(labels) == 1 and all(item.verdict is KNOWN for item in run.items):
            ids, label = " ".join(item.id for item in run.items if item.id), *labels
            digest = run.digest(ids, label)
            row = (run.folder, run.names[0], digest, ids, label, self._epoch)
            self._rows.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?)", row)
            self._commit()

    @contextmanager
    def _shortcut(self) -> Iterator[None]:
        """A full disk or a lock that stays must not end a run: the file is just read."""
        with self._guard:
            try:
                yield
            except _Damaged:
                self._start_anew()
            except sqlite3.Error as error:
                if is_damage(error):
                    self._start_anew()

    def _start_anew(self) -> None:
        self._epoch = self._state = None
        self._rows.close()
        with suppress(OSError, sqlite3.Error):  # closed, it is a shortcut that leads nowhere
            self._rows = start(self._file)

    def _commit(self) -> None:
        self._rows.execute("INSERT OR REPLACE INTO written VALUES (0, ?)", (self._clock(),))
        self._rows.commit()

    def _empty_after_a_step(self) -> None:
        row = self._rows.execute("SELECT CAST(at_ns AS INTEGER) FROM written").fetchone()
        if row is not None and row[0] > self._clock():
            self._epoch = None
            self._rows.execute("DELETE FROM files")
            self._rows.execute("DELETE FROM runs")
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


def _recall(item: Incoming, row: Row) -> bool:
    """Whether what is kept of the file is whole; taken over if so."""
    _, _, id_, sha256, label = row
    if not isinstance(sha256, bytes) or reference_id(sha256.hex()) != id_:
        return False
    item.id, item.sha256 = id_, sha256.hex()
    if label == item.label:
        item.verdict = KNOWN
    return True


def _has_settled(item: Incoming, status: os.stat_result) -> bool:
    return max(status.st_mtime_ns, status.st_ctime_ns) + RACY_NS < item.looked_ns
