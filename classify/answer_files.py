"""Answers as a file that one can take away: CSV for people's programs, Parquet for exactness.

One row a query, in order, also for a query that could not be read (`problem` says why). A file is
under its name only when it is complete. What an interrupted run had finished is left beside it,
as `NAME.part`, and said.

In a CSV file no text is a formula (`holotype.characters.harmless_cell`); Parquet and `--json` have
it as it is.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holotype import console
from holotype.characters import harmless_cell
from holotype.errors import OutputError, UsageError
from holotype.intake.words import readable

if TYPE_CHECKING:
    from classify.answering.answers import QueryResult

COLUMNS: Final[Mapping[str, type]] = {
    "path": str,
    "label": str,
    "state": str,
    "score": float,
    "runner_up": str,
    "runner_up_score": float,
    "nearest_reference": str,
    "nearest_label": str,
    "novelty": float,
    "head": str,
    "problem": str,
}
"""Names and types; every value but `path` may be missing. Of an unknown query `runner_up` is the
label that it looks most like."""

Row = dict[str, str | float | None]
Show = Callable[["QueryResult"], None]

_ROWS_AT_A_TIME = 1024
"""Rows of a Parquet file that are written together."""


def row_of(result: QueryResult) -> Row:
    """A result as the columns of a file."""
    row: Row = dict.fromkeys(COLUMNS)
    row["path"], row["problem"] = readable(result.query), result.problem
    answer = result.answer
    if answer is None:
        return row
    row |= {
        "label": answer.label,
        "state": answer.state,
        "score": answer.score,
        "novelty": answer.novelty.score if answer.novelty else None,
        "head": answer.head,
    }
    for second in answer.runners_up[:1]:
        row |= {"runner_up": second.label, "runner_up_score": second.score}
    for nearest in answer.neighbours[:1]:
        row |= {"nearest_reference": nearest.source, "nearest_label": nearest.label}
    return row


@contextmanager
def answers_to_csv(file: Path) -> Iterator[Show]:
    """Write a line a result as it comes, in UTF-8.

    Raises:
        UsageError: it cannot be written there.
        OutputError: the disk is full.
    """
    with _part_of(file) as part, part.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()

        def show(result: QueryResult) -> None:
            with _written(file):
                writer.writerow({name: harmless_cell(v) for name, v in row_of(result).items()})
                lines.flush()  # a killed run leaves whole lines

        yield show


@contextmanager
def answers_to_parquet(file: Path) -> Iterator[Show]:
    """The same columns, exact and typed, some rows at a time.

    Raises:
        UsageError, OutputError: see `answers_to_csv`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), float: pa.float64()}
    schema = pa.schema({name: kinds[kind] for name, kind in COLUMNS.items()})
    rows: list[Row] = []

    with _part_of(file) as part, pq.ParquetWriter(part, schema) as writer:

        def write() -> None:
            with _written(file):
                writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        def show(result: QueryResult) -> None:
            rows.append(row_of(result))
            if len(rows) == _ROWS_AT_A_TIME:
                write()

        try:
            yield show
        finally:
            write()


@contextmanager
def _part_of(file: Path) -> Iterator[Path]:
    """Where to write; it becomes `file` when all went well, and is left, and said, otherwise."""
    target = file.resolve()  # a link to a file stays one
    part = target.with_name(f"{target.name}.part")
    try:
        part.open("wb").close()
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    try:
        yield part
    except BaseException:
        console.say(f"not complete: the answers until then are in {part}")
        raise
    with _written(file):
        part.replace(target)
    console.say(f"the answers are in {file}")


@contextmanager
def _written(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"the answers to {file}", error) from error
