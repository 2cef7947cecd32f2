"""`--report FILE`: one JSON line a file, written as the run goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from holotype.errors import OutputError, UsageError
from holotype.outcomes import FileOutcome, Outcome


class Report:
    """A JSONL file of outcomes. A line is there as soon as its outcome is certain.

    A killed run leaves whole lines: each is handed to the system in one write.
    """

    def __init__(self, file: Path) -> None:
        """Start it; an older report of that name is replaced.

        Raises:
            UsageError: it cannot be written there.
        """
        self._file = file
        self._lines = _open(file, "wb")

    def write(self, outcome: FileOutcome) -> None:
        """Add a line.

        Raises:
            OutputError: the disk is full, or nobody reads any more.
        """
        self._write(line(outcome).encode())

    def _write(self, data: bytes) -> None:
        try:
            while data:  # a disk that fills up takes a part
                data = data[self._lines.write(data) or 0 :]
        except OSError as error:
            raise OutputError(f"the report {self._file}", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()


class Journal(Report):
    """A report that is kept: a restarted worker goes on with it and repeats no line.

    What it remembers of each line is a number, so a million lines take about 100 MB.
    """

    def __init__(self, file: Path) -> None:
        """Go on with the report of that name, or start it.

        Raises:
            UsageError: it cannot be written there.
        """
        self._file = file
        self._lines = _open(file, "ab")
        self._known: set[int] = set()
        last = b"\n"
        if file.is_file():  # a pipe or a device holds nothing that was written before
            with file.open("rb") as before:
                for last in before:
                    self._known.update(_keys(last))
        if not last.endswith(b"\n"):  # torn when the machine went down
            self._write(b"\n")

    def write(self, outcome: FileOutcome) -> None:
        """Add a line, unless it says nothing new of this file."""
        key = _key(outcome.source, outcome.id, failed=outcome.outcome.is_failure)
        if key not in self._known or outcome.outcome is Outcome.RELABELLED:
            self._known.add(key)
            super().write(outcome)


def line(outcome: FileOutcome) -> str:
    """An outcome as a line of JSON, with its line feed."""
    return json.dumps(outcome.to_dict(), ensure_ascii=False) + "\n"


def _open(file: Path, mode: str) -> RawIOBase:
    try:
        return cast("RawIOBase", file.open(mode, buffering=0))
    except OSError as error:
        raise UsageError(f"cannot write the report {file}: {error.strerror}") from error


def _key(source: str, id_: str | None, *, failed: bool) -> int:
    return hash((source, id_, failed))


def _keys(text: bytes) -> Iterator[int]:
    """The key of a line; nothing for one that is torn."""
    try:
        row = json.loads(text)
        failed = Outcome(row["outcome"]).is_failure
        yield _key(row["source"], row["id"], failed=failed)
    except (ValueError, KeyError, TypeError):
        return
