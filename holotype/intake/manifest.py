"""A manifest as a source: CSV, JSONL or Parquet with the columns path, label and group; or COCO.

`path` is relative to the manifest's folder, or to another that is named; `group` is optional, and
every other column is metadata (`holotype.intake.tables`). A value that is missing or empty is left
out; numbers and truth values become text, whole numbers without `.0`. A path finds its file also
where the disk spells it otherwise, or where it was written on Windows. A row that cannot be used is
reported with its number and never ends the run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from holotype.errors import UsageError
from holotype.images.finding import LeftOut
from holotype.intake.groups import GroupRule, no_group
from holotype.intake.incoming import Incoming
from holotype.intake.source_names import source_of_file
from holotype.intake.spelled_paths import Finder
from holotype.intake.tables import OWN, REQUIRED, SAVE_ANEW, BadRow, Columns, Row, read_table
from holotype.intake.words import clean_group, clean_label, clean_meta, readable, text_of
from holotype.references import MAX_META_KEYS, too_many_keys


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
    left_out: LeftOut = field(default_factory=LeftOut, init=False, compare=False)
    """Nothing: every row is a picture, or is refused."""
    max_meta_keys: int = MAX_META_KEYS
    """Columns that are metadata; each would be an index."""
    folder: Path | None = None
    """What its paths are relative to; None: the folder that it lies in."""
    root: Path | None = None
    """What sources are relative to; None: they are absolute."""
    said: tuple[str, ...] = ()
    """What a person should know of how it was found."""
    notices: tuple[str, ...] = field(init=False, default=())
    """What a person should know about it and its columns."""

    def __post_init__(self) -> None:
        if not self.file.is_file():
            raise UsageError(f"no such manifest: {self.file}")
        if not self._folder.is_dir():
            raise UsageError(f"no such folder: {self._folder}")
        told: list[Columns] = []
        # Its columns are checked before anything is done.
        first = next(read_table(self.file, told.append), None)
        if first is not None and not isinstance(first[1], BadRow):
            self._check_meta(first[1])
        notices = tuple(notice for columns in told for notice in columns.notices())
        object.__setattr__(self, "notices", (*self.said, *notices))

    def __iter__(self) -> Iterator[Incoming]:
        """Every row as a picture; a row that cannot be used comes out as failed."""
        files = Finder(self._folder)
        for place, row in read_table(self.file):
            yield self._incoming(place, row, files)

    def count(self) -> int:
        """How many rows there are."""
        return sum(1 for _ in read_table(self.file))

    @property
    def _folder(self) -> Path:
        return self.file.parent if self.folder is None else self.folder

    def class_counts(self) -> Counter[str]:
        """Rows by label; those without a label that can be used are not counted."""
        counts: Counter[str] = Counter()
        for _, row in read_table(self.file):
            with suppress(UsageError, BadRow):
                if not isinstance(row, BadRow):
                    counts[clean_label(text_of("label", row.get("label")))] += 1
        return counts

    def _incoming(self, place: str, row: Row | BadRow, files: Finder) -> Incoming:
        try:
            if isinstance(row, BadRow):
                raise row
            return self._of(row, files)
        except (BadRow, UsageError) as error:
            text = row.path if isinstance(row, BadRow) else str(row.get("path") or "")
            source = readable(os.path.abspath(self._folder / text if text else self.file))  # noqa: PTH100
            return Incoming.refused(source, f"{place} of {self.file.name}: {error}")

    def _check_meta(self, row: Row) -> None:
        own = [column for column in row if column not in OWN]
        if len(own) > self.max_meta_keys:
            raise UsageError(
                f"{self.file} has {len(own)} columns of metadata: "
                f"{too_many_keys(own[self.max_meta_keys :], self.max_meta_keys)}"
            )

    def _of(self, row: Row, files: Finder) -> Incoming:
        self._check_meta(row)
        texts = {key: text_of(key, value) for key, value in row.items()}
        for column in REQUIRED:
            if not texts.get(column):
                raise BadRow(f"it has no {column}")
        path = _file(texts.pop("path"), files, self._folder)
        for column, text in texts.items():
            _check_utf8(column, text)
        own = {key: value for key, value in texts.items() if key not in OWN}
        group = texts.get("group", "")
        return Incoming(
            source=source_of_file(path, self.root),
            label=clean_label(texts["label"]),
            group=clean_group(group) if group else self.group(path, self._folder),
            meta={**self.meta, **clean_meta(own)},
            file=str(path),
        )


def _file(text: str, files: Finder, folder: Path) -> Path:
    """The file that a row names; one that is not there is reported when it is read."""
    if "\0" in text:
        raise BadRow("its path holds a zero byte, which no path can")
    found = files.find(text) or (files.find(text.replace("\\", "/")) if "\\" in text else None)
    if found is None:
        _check_utf8("path", text)
    return found or folder / text


def _check_utf8(column: str, text: str) -> None:
    """Refuse text that is none: bytes of another encoding, or half of a character in JSON."""
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            written = os.fsencode(text)
        except UnicodeEncodeError:
            raise BadRow(f"its {column} {text!r} is no text") from None
        guess = written.decode("cp1252", "replace")
        raise BadRow(
            f"its {column} '{readable(text)}' is not UTF-8 (in Windows-1252 it is {guess!r}): "
            f"{SAVE_ANEW}"
        ) from None
