"""A manifest as a source: CSV, JSONL or Parquet with the columns path, label and group.

`path` is relative to the manifest's folder, `group` is optional, and every other column is
metadata. A value that is missing or empty is left out; numbers and truth values become
text. A row that cannot be used is reported with its number and never ends the run.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from holotype.errors import UsageError
from holotype.intake.groups import GroupRule, no_group
from holotype.intake.incoming import Incoming
from holotype.intake.words import clean_group, clean_label, clean_meta, clean_meta_key, readable
from holotype.references import MAX_META_KEYS, too_many_keys

REQUIRED = ("path", "label")
_OWN = (*REQUIRED, "group")

Row = Mapping[str, Any]


class _BadRow(Exception):
    """Why one row cannot be used."""


_Numbered = tuple[str, Row | _BadRow]
"""Where a row is (`line 7`, as an editor counts; `row 7` of a Parquet file), and the row."""

_PARQUET_ROWS = 1024
"""Rows that are turned into Python at a time."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows of one manifest file. Iterating again reads it again.

    Raises:
        UsageError: the file is missing, is of another kind, lacks a column or has a
            column whose name cannot be a metadata key.
    """

    file: Path
    group: GroupRule = no_group
    """For rows without a group of their own."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """For every row; a row's own value of the same key counts more."""
    max_meta_keys: int = MAX_META_KEYS
    """Columns that are metadata; each would be an index."""

    def __post_init__(self) -> None:
        if not self.file.is_file():
            raise UsageError(f"no such manifest: {self.file}")
        if self.file.suffix.lower() not in _READERS:
            raise UsageError(f"{self.file}: a manifest is a .csv, .jsonl or .parquet file")
        first = next(self._rows(), None)  # its columns are checked before anything is done
        if first is not None and not isinstance(first[1], _BadRow):
            self._check_meta(first[1])

    def __iter__(self) -> Iterator[Incoming]:
        """Every row as a picture; a row that cannot be used comes out as failed."""
        for place, row in self._rows():
            yield self._incoming(place, row)

    def count(self) -> int:
        """How many rows there are."""
        return sum(1 for _ in self._rows())

    def _rows(self) -> Iterator[_Numbered]:
        return _READERS[self.file.suffix.lower()](self.file)

    def _incoming(self, place: str, row: Row | _BadRow) -> Incoming:
        try:
            if isinstance(row, _BadRow):
                raise row
            return self._of(row)
        except (_BadRow, UsageError) as error:
            text = "" if isinstance(row, _BadRow) else str(row.get("path") or "")
            source = readable(self.file.parent / text) if text else readable(self.file)
            return Incoming.refused(source, f"{place} of {self.file.name}: {error}")

    def _check_meta(self, row: Row) -> None:
        own = [column for column in row if column not in _OWN]
        if len(own) > self.max_meta_keys:
            raise UsageError(
                f"{self.file} has {len(own)} columns of metadata: "
                f"{too_many_keys(own[self.max_meta_keys :], self.max_meta_keys)}"
            )

    def _of(self, row: Row) -> Incoming:
        self._check_meta(row)
        texts = {key: _text(key, value) for key, value in row.items()}
        for column in REQUIRED:
            if not texts.get(column):
                raise _BadRow(f"it has no {column}")
        if "\0" in texts["path"]:
            raise _BadRow("its path holds a zero byte, which no path can")
        path = self.file.parent / texts["path"]
        own = {key: readable(value) for key, value in texts.items() if key not in _OWN}
        group = texts.get("group", "")
        return Incoming(
            source=readable(path),
            label=clean_label(texts["label"]),
            group=clean_group(group) if group else self.group(path, self.file.parent),
            meta={**self.meta, **clean_meta(own)},
            file=str(path),
        )


def _text(column: str, value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | Decimal | date | time):
        return _encodable(column, str(value))
    raise _BadRow(f"{column} is {value!r}: text, a number, a date or true/false is needed")


def _encodable(column: str, text: str) -> str:
    """Text that has bytes: JSON can spell half of a character."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise _BadRow(f"its {column} {text!r} is no text") from None
    return text


def _check_columns(file: Path, columns: Sequence[str]) -> None:
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise UsageError(
            f"{file} lacks the column {' and the column '.join(map(repr, missing))}; "
            f"it has {', '.join(map(repr, columns)) or 'none'}"
        )
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise UsageError(f"{file} has the column {' and the column '.join(map(repr, twice))} twice")
    for column in columns:
        if column not in _OWN:
            clean_meta_key(column)


def _csv(file: Path) -> Iterator[_Numbered]:
    # utf-8-sig: spreadsheets put a byte order mark in front of the first column's name.
    # surrogateescape: a file name that is not UTF-8 must still find its file.
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        try:
            columns = next(reader, [])
        except csv.Error as error:
            raise UsageError(f"{file}: its first line cannot be read as CSV: {error}") from error
        _check_columns(file, columns)
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield f"line {reader.line_num}", _BadRow(f"it cannot be read as CSV: {error}")
                continue
            if values is None:
                return
            if values:
                yield f"line {reader.line_num}", _csv_row(columns, values)


def _csv_row(columns: list[str], values: list[str]) -> Row | _BadRow:
    if len(values) > len(columns):
        return _BadRow(f"it has {len(values)} values for {len(columns)} columns")
    return dict(zip(columns, values, strict=False))


def _jsonl(file: Path) -> Iterator[_Numbered]:
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"line {number}", _json_row(line)


def _json_row(line: str) -> Row | _BadRow:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # the latter where it is nested too deep
        return _BadRow(f"it is not JSON: {error}")
    return row if isinstance(row, dict) else _BadRow("it is not a JSON object")


def _parquet(file: Path) -> Iterator[_Numbered]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            _check_columns(file, table.schema_arrow.names)
            batches = table.iter_batches(batch_size=_PARQUET_ROWS)
            rows = chain.from_iterable(batch.to_pylist() for batch in batches)
            for number, row in enumerate(rows, start=1):
                yield f"row {number}", row
    except (pa.ArrowException, OSError) as error:  # damaged pages raise either
        raise UsageError(f"{file} cannot be read as Parquet: {error}") from error


_READERS: Mapping[str, Callable[[Path], Iterator[_Numbered]]] = MappingProxyType(
    {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
)
