"""`--report FILE`: one JSON line a file, written as the run goes."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from holotype.errors import UsageError
from holotype.outcomes import FileOutcome


class Report:
    """A JSONL file of outcomes. A line is there as soon as its outcome is certain.

    A killed run leaves whole lines: each is handed to the system in one write.
    """

    def __init__(self, file: Path, *, append: bool = False) -> None:
        """Start it; an older report of that name is replaced, unless it is appended to.

        Raises:
            UsageError: it cannot be written there.
        """
        try:
            self._lines = file.open("ab" if append else "wb", buffering=0)
        except OSError as error:
            raise UsageError(f"cannot write the report {file}: {error.strerror}") from error

    def write(self, outcome: FileOutcome) -> None:
        """Add a line."""
        self._lines.write(line(outcome).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()


def line(outcome: FileOutcome) -> str:
    """An outcome as a line of JSON, with its line feed."""
    return json.dumps(outcome.to_dict(), ensure_ascii=False) + "\n"
