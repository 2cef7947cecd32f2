"""What a command found as a CSV file, for people's programs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from holotype import console
from holotype.characters import harmless_cell
from holotype.errors import OutputError, UsageError


def check_csv(file: Path | None) -> None:
    """Refuse early what could not be written after all the work.

    Raises:
        UsageError: there is no such folder.
    """
    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError(f"cannot write {file}: there is no folder {file.parent}")


def write_csv(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A line a row, in UTF-8; what a row has beside the columns is left out.

    Raises:
        OutputError: it cannot be written there, or the disk is full.
    """
    try:
        with file.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: harmless_cell(row[name]) for name in columns} for row in rows)
    except OSError as error:
        raise OutputError(f"the table to {file}", error) from error
    console.say(f"the table is in {file}")
