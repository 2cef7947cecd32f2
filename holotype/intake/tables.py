"""Tables of rows in a file: CSV, JSONL, Parquet and COCO, as people's programs write them.

Columns come out under one name each, whatever they are called in the file: `path`, `label` and
`group` without regard to case and spaces, every other one as the metadata key that it is.
Columns without a name are left out: spreadsheets add empty ones, and pandas its index. Where
there is no `path`, `file_name` is it, as in the metadata of an image folder of Hugging Face.

CSV may be separated by commas, semicolons or tabs. Text is UTF-8, or UTF-16 with the mark that
Excel puts in front of it. No other encoding is guessed at: a wrong guess would be stored, and
found by nobody. Bytes that are no UTF-8 come out as surrogates (`os.fsencode` gives them back).
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

from holotype.characters import uniform
from holotype.errors import UsageError
from holotype.exports import fingerprint_in, listed
from holotype.references import BUILT_IN_KEYS, meta_key

if TYPE_CHECKING:
    from _csv import Reader as _Reader

REQUIRED = ("path", "label")
OWN = (*REQUIRED, "group")
FILE_NAME = "file_name"
"""What image folders of Hugging Face call `path`."""

SAVE_ANEW = "save the manifest as UTF-8 (in Excel: 'CSV UTF-8')"

_NAMELESS = re.compile(r"Unnamed: \d+|__index_level_\d+__")
"""What pandas calls a column that has no name."""

_DELIMITERS = ",;\t"
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)\.0")
_SEPARATOR_LINE = re.compile("sep=(.)")
"""The first line by which Excel is told the delimiter."""

_PARQUET_ROWS = 1024
"""Rows that are turned into Python at a time."""

Row = Mapping[str, Any]


class BadRow(Exception):
    """Why one row cannot be used."""

    def __init__(self, reason: str, *, path: str = "") -> None:
        self.path = path
        """Of its picture, where that is known."""
        super().__init__(reason)


Numbered = tuple[str, Row | BadRow]
"""Where a row is (`line 7`, as an editor counts; `row 7` of a Parquet file), and the row."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table, or the keys of one row of JSON."""

    written: tuple[str, ...]
    """As the file has them."""
    names: tuple[str | None, ...]
    """`path`, `label`, `group` or a metadata key; None for a column that is left out."""
    whole: frozenset[int] = frozenset()
    """Columns whose values are all whole numbers that are written as `2020.0` in text."""
    more: tuple[str, ...] = ()
    """What else a person should know."""

    @classmethod
    def of(cls, written: Sequence[str]) -> Columns:
        """Read what stands above the columns.

        Raises:
            UsageError: two are the same column, or a name cannot be a metadata key.
        """
        names = tuple(_name(column) for column in written)
        if "path" not in names:
            names = tuple("path" if name == FILE_NAME else name for name in names)
        twice = [name for name, count in Counter(names).items() if name and count > 1]
        if twice:
            raise UsageError(f"has the column {' and the column '.join(map(repr, twice))} twice")
        return cls(tuple(written), names)

    def notices(self) -> Iterator[str]:
        """What a person should know about them."""
        yield from self.more
        nameless = self.names.count(None)
        if nameless:
            yield f"{nameless} column{'s' * (nameless > 1)} without a name left out"
        for column, name in zip(self.written, self.names, strict=True):
            if name is None or name in OWN:
                continue
            if name in BUILT_IN_KEYS:
                yield (
                    f"the column {column!r} is metadata: filter by meta.{name}=..., since "
                    f"{name}=... asks for something else"
                )
            elif name != column.removeprefix("meta."):
                yield f"the column {column!r} is the metadata key {name!r}"
        for i in sorted(self.whole):
            yield f"the column {self.written[i]!r} holds whole numbers: they go in without '.0'"

    def of_values(self, values: Sequence[str]) -> Row:
        """A row whose values stand in the order of the columns; missing ones are left out."""
        return {
            name: value.strip().removesuffix(".0") if i in self.whole else value
            for i, (name, value) in enumerate(zip(self.names, values, strict=False))
            if name is not None
        }

    def of_mapping(self, row: Mapping[str, Any]) -> Row:
        """A row whose values stand under the columns' names as they are written."""
        pairs = zip(self.names, self.written, strict=True)
        return {name: row[column] for name, column in pairs if name is not None}


Tell = Callable[[Columns], None]


def read_table(file: Path, tell: Tell = lambda _: None) -> Iterator[Numbered]:
    """The rows of a file, in order. Reading again begins anew.

    Args:
        file: its suffix says what it is.
        tell: told the columns before the first row comes; those of the first row of JSONL.

    Raises:
        UsageError: it is of another kind, cannot be read, or has columns that cannot be used.
    """
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"{file}: a manifest is a .csv, .tsv, .jsonl, .parquet or .json file")
    return reader(file, tell)


def is_table(file: Path) -> bool:
    """Whether its suffix says that `read_table` reads it."""
    return file.suffix.lower() in _READERS


def _name(column: str) -> str | None:
    spelled = uniform(column)
    if not spelled or _NAMELESS.fullmatch(spelled):
        return None
    folded = spelled.replace(" ", "").casefold()
    return folded if folded in OWN else meta_key(spelled)


def _columns(file: Path, written: Sequence[str]) -> Columns:
    if any("\udc80" <= c <= "\udcff" for column in written for c in column):
        raise UsageError(f"{file}: the names of its columns are not UTF-8: {SAVE_ANEW}")
    try:
        columns = Columns.of(written)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error
    missing = [column for column in REQUIRED if column not in columns.names]
    if missing:
        raise UsageError(
            f"{file} lacks the column {' and the column '.join(map(repr, missing))}; "
            f"it has {', '.join(map(repr, written)) or 'none'}"
        )
    return columns


def _open(file: Path) -> TextIO:
    with file.open("rb") as start:
        mark = start.read(2)
    if mark in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return file.open(encoding="utf-16", newline="")
    # utf-8-sig: spreadsheets put a byte order mark in front of the first column's name.
    # surrogateescape: a file name that is not UTF-8 must still find its file.
    return file.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _csv(file: Path, tell: Tell) -> Iterator[Numbered]:
    try:
        with _open(file) as lines:
            reader, columns, _ = _begin(file, lines)
            columns = replace(columns, whole=_whole_columns(reader, columns))
        tell(columns)
        with _open(file) as lines:
            reader, _, above = _begin(file, lines)
            for values in _values(reader):
                row = values if isinstance(values, BadRow) else _csv_row(columns, values)
                yield f"line {above + reader.line_num}", row
    except UnicodeError as error:
        raise UsageError(f"{file} is damaged UTF-16: {error}: {SAVE_ANEW}") from error


def _begin(file: Path, lines: TextIO) -> tuple[_Reader, Columns, int]:
    """What reads the rows after the first line, the columns, and lines above the first."""
    first, above = lines.readline(), 0
    told = _SEPARATOR_LINE.fullmatch(first.rstrip("\r\n"))
    if told:
        first, above = lines.readline(), 1
    if "\0" in first:
        raise UsageError(f"{file} holds zero bytes, so it is not UTF-8: {SAVE_ANEW}")
    delimiter = told[1] if told else _delimiter(first)
    reader = csv.reader(chain([first], lines), strict=True, delimiter=delimiter)
    try:
        columns = _columns(file, next(reader, []))
    except csv.Error as error:
        raise UsageError(f"{file}: its first line cannot be read as CSV: {error}") from error
    return reader, columns, above


def _values(reader: _Reader) -> Iterator[list[str] | BadRow]:
    """The rows that hold anything."""
    while True:
        try:
            values = next(reader, None)
        except csv.Error as error:
            yield BadRow(f"it cannot be read as CSV: {error}")
            continue
        if values is None:
            return
        if any(value.strip() for value in values):
            yield values


def _whole_columns(reader: _Reader, columns: Columns) -> frozenset[int]:
    """Columns that pandas made floats of, as it does where one whole number is missing.

    Most files are asked for a row or two: a column with any other text is none of them.
    """
    left = {i for i, name in enumerate(columns.names) if name not in {None, "path"}}
    found: set[int] = set()
    for values in _values(reader):
        if isinstance(values, BadRow):
            continue
        texts = {i: values[i].strip() for i in left if i < len(values)}
        whole = {i for i, text in texts.items() if _WHOLE.fullmatch(text)}
        left -= {i for i, text in texts.items() if text} - whole
        found |= whole
        if not left:
            break
    return frozenset(left & found)


def _delimiter(first: str) -> str:
    """The one that finds the columns that there must be, or else the most."""

    def found(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([first], delimiter=delimiter), [])
        names = {uniform(cell).replace(" ", "").casefold() for cell in cells}
        return len(names & {*REQUIRED, FILE_NAME}), len(cells)

    return max(_DELIMITERS, key=found)


def _csv_row(columns: Columns, values: list[str]) -> Row | BadRow:
    known = len(columns.names)
    if any(value.strip() for value in values[known:]):
        return BadRow(f"it has {len(values)} values for {known} columns")
    return columns.of_values(values)


def _jsonl(file: Path, tell: Tell) -> Iterator[Numbered]:
    known: dict[tuple[str, ...], Columns] = {}
    with _open(file) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            row = _json_row(line)
            if isinstance(row, BadRow):
                yield f"line {number}", row
                continue
            keys = tuple(row)
            try:
                columns = known.get(keys) or Columns.of(keys)
            except UsageError as error:
                yield f"line {number}", BadRow(str(error))
                continue
            if not known:
                tell(columns)
            known[keys] = columns
            yield f"line {number}", columns.of_mapping(row)


def _json_row(line: str) -> Row | BadRow:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # the latter where it is nested too deep
        return BadRow(f"it is not JSON: {error}")
    return row if isinstance(row, dict) else BadRow("it is not a JSON object")


def _parquet(file: Path, tell: Tell) -> Iterator[Numbered]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            if fingerprint_in(table.schema_arrow) is not None:
                yield from _exported(table)
                return
            columns = _columns(file, table.schema_arrow.names)
            tell(columns)
            batches = table.iter_batches(batch_size=_PARQUET_ROWS)
            rows = chain.from_iterable(batch.to_pylist() for batch in batches)
            for number, row in enumerate(rows, start=1):
                yield f"row {number}", columns.of_mapping(row)
    except (pa.ArrowException, OSError) as error:  # damaged pages raise either
        raise UsageError(f"{file} cannot be read as Parquet: {error}") from error


def _exported(table: Any) -> Iterator[Numbered]:
    """The pictures of `ingest export`, to be embedded anew: by another encoder, say."""
    batches = table.iter_batches(_PARQUET_ROWS, columns=["source", "label", "group", "meta"])
    rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", listed(row)


def _coco(file: Path, tell: Tell) -> Iterator[Numbered]:
    from holotype.intake.coco import CocoFile

    found = CocoFile.read(file)
    boxes = ("it has boxes or masks: pictures are taken whole",) if found.has_boxes else ()
    columns: Columns | None = None
    for image in found:
        place = f"image {image.id}"
        if image.problem:
            yield place, BadRow(image.problem, path=image.name)
            continue
        row = {FILE_NAME: image.name, "label": image.label, **(image.fields or {})}
        try:
            own = Columns.of(tuple(row))
        except UsageError as error:
            yield place, BadRow(str(error), path=image.name)
            continue
        if columns is None:
            columns = replace(own, more=boxes)
            tell(columns)
        yield place, own.of_mapping(row)


_READERS: Mapping[str, Callable[[Path, Tell], Iterator[Numbered]]] = MappingProxyType(
    {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet, ".json": _coco}
)
