"""What must be there: written beside a shard, compared when it is opened.

The engine opens a shard whose files were cut short without a word, and with fewer points. So
two things are kept beside each shard:

- `<shard>.ledger`: how many points there are at least. It is overwritten in place, which takes
  no space on a full disk and is one sector, so it is there whole. Raised after a write is
  durable, lowered before a removal begins: whenever a process dies, the log brings back at
  least as many.
- `<shard>.files`: size and digest of every file, made when the shard is closed in order. While
  it is open, and after a crash, its files are its own business; then the number alone counts.

Files with more than `ALWAYS_READ` bytes of data are read again only where their time or size
changed, or where everything is to be read (`ingest verify`).
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holotype.errors import StoreDamaged
from holotype.store.files import data_end, read_json, sync_data, write_json

ALWAYS_READ: Final = 4 << 20
REMEDY: Final = (
    "restore a backup (`ingest restore`), or run `ingest verify --repair`, which keeps what is "
    "whole and says what is gone"
)

_SECTOR: Final = 512
_BLOCK: Final = 1 << 16
_NOT_OURS: Final = frozenset({".lock"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one file."""

    size: int
    modified_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class _State:
    points: int
    sealed: bool


class Ledger:
    """The record of one shard. For one thread at a time."""

    def __init__(self, shard: Path) -> None:
        """Speak of the shard in this folder; nothing is read yet."""
        self._shard = shard
        self._file = shard.with_name(f"{shard.name}.ledger")
        self._files = shard.with_name(f"{shard.name}.files")
        self.known: dict[str, Entry] = {}
        """The files when the shard was closed, as far as they were looked at."""

    def is_sealed(self) -> bool:
        """Whether the shard was closed in order.

        Raises:
            StoreDamaged: the record cannot be read.
        """
        state = self._read()
        return state is not None and state.sealed

    def points(self) -> int:
        """How many points there must be at least; 0 where that was never written.

        Raises:
            StoreDamaged: the record cannot be read.
        """
        state = self._read()
        return 0 if state is None else state.points

    def damaged_files(self, *, thorough: bool = False) -> dict[str, str]:
        """Files that are not what they were when the shard was closed, and what is wrong.

        Args:
            thorough: read every byte, also of large files that seem untouched.

        Raises:
            StoreDamaged: the record of the files cannot be read.
        """
        if not self.is_sealed():
            return {}
        self.known = self._read_files()
        wrong = {}
        for name, entry in self.known.items():
            problem = self._compare(name, entry, thorough=thorough)
            if problem is not None:
                wrong[name] = problem
        return wrong

    def begin(self, points: int) -> None:
        """The shard is being opened: from now on its files may change."""
        self._write(_State(points, sealed=False), durably=True)

    def raise_to(self, points: int) -> None:
        """So many are durable now."""
        self._write(_State(points, sealed=False), durably=False)

    def lower_to(self, points: int) -> None:
        """So many are left at least when what comes is done. Durable when this returns."""
        self._write(_State(points, sealed=False), durably=True)

    def seal(self, points: int, *, written: bool) -> None:
        """The shard has been flushed and closed.

        Args:
            points: how many there are.
            written: whether anything was; then every file is read, because not every file
                system notes the time of a change that was made through shared memory. The small
                ones always are: the engine completes some when it opens a shard.

        Raises:
            OSError: the disk is full: then only the number will be compared.
        """
        before = self.known
        self.known = _look(self._shard, {} if written else before)
        if _contents(before) != _contents(self.known):
            files = {
                name: [entry.size, entry.modified_ns, entry.digest]
                for name, entry in self.known.items()
            }
            text = json.dumps(files, sort_keys=True)
            write_json(self._files, {"files": files, "check": zlib.crc32(text.encode())})
        # Should this get lost, the number will be compared as after a crash.
        self._write(_State(points, sealed=True), durably=False)

    def _compare(self, name: str, entry: Entry, *, thorough: bool) -> str | None:
        path = self._shard / name
        try:
            status = path.stat()
        except FileNotFoundError:
            return "is missing"
        if status.st_size != entry.size:
            return f"has {status.st_size} bytes instead of {entry.size}"
        with path.open("rb", buffering=0) as file:
            if not thorough and _may_be_trusted(file.fileno(), status, entry):
                return None
            return None if _digest(file.fileno()) == entry.digest else "has changed"

    def _read(self) -> _State | None:
        try:
            raw = self._file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            data = json.loads(raw)
            state = _State(int(data["points"]), sealed=bool(data["sealed"]))
        except (ValueError, KeyError, TypeError) as error:
            raise self._unreadable(self._file) from error
        if data.get("check") != _check(state):
            raise self._unreadable(self._file)
        return state

    def _write(self, state: _State, *, durably: bool) -> None:
        said = {"points": state.points, "sealed": state.sealed, "check": _check(state)}
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, f"{json.dumps(said):<{_SECTOR - 1}}\n".encode(), 0)
            if durably:
                sync_data(descriptor)
        finally:
            os.close(descriptor)

    def _read_files(self) -> dict[str, Entry]:
        try:
            data: dict[str, Any] = read_json(self._files) or {}
            files = data["files"]
            whole = data["check"] == zlib.crc32(json.dumps(files, sort_keys=True).encode())
            entries = {name: Entry(*entry) for name, entry in files.items()}
        except (ValueError, KeyError, TypeError) as error:
            raise self._unreadable(self._files) from error
        if not whole:
            raise self._unreadable(self._files)
        return entries

    def _unreadable(self, file: Path) -> StoreDamaged:
        return StoreDamaged(f"the gallery is damaged: {file} cannot be read: {REMEDY}")


def _check(state: _State) -> int:
    return zlib.crc32(f"{state.points} {state.sealed}".encode())


def _look(shard: Path, known: dict[str, Entry]) -> dict[str, Entry]:
    """Every file of the shard; a large one that is known and was not touched is not read."""
    found = {}
    for path in sorted(shard.rglob("*")):
        if not path.is_file() or path.name in _NOT_OURS:
            continue
        name = path.relative_to(shard).as_posix()
        status = path.stat()
        before = known.get(name)
        with path.open("rb", buffering=0) as file:
            untouched = before is not None and _may_be_trusted(file.fileno(), status, before)
            if before is None or not untouched:
                before = Entry(status.st_size, status.st_mtime_ns, _digest(file.fileno()))
        found[name] = before
    return found


def _contents(files: dict[str, Entry]) -> dict[str, tuple[int, str]]:
    return {name: (entry.size, entry.digest) for name, entry in files.items()}


def _may_be_trusted(descriptor: int, status: os.stat_result, entry: Entry) -> bool:
    same = (status.st_size, status.st_mtime_ns) == (entry.size, entry.modified_ns)
    return same and data_end(descriptor) > ALWAYS_READ


def _digest(descriptor: int) -> str:
    """Of a file's bytes that are not zero, and where they are: holes cost nothing."""
    digest = hashlib.blake2b(digest_size=16)
    end = data_end(descriptor)
    for start in range(0, end, _BLOCK):
        block = os.pread(descriptor, _BLOCK, start).rstrip(b"\0")
        if block:
            digest.update(start.to_bytes(8, "little"))
            digest.update(block)
    return digest.hexdigest()
