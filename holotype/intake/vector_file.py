"""Labelled vectors in a file: Parquet, or the arrays of an .npz file, one row a reference.

Columns are `vector` (D numbers), `label`, and maybe `id`, `group` and `meta` (an object of texts,
or JSON); every other one is metadata, under its name. A row that cannot be used is reported with
its number, counted from 1, and never ends the run.

What `ingest export` wrote (`holotype.exports`) has more columns of its own, and thumbnails beside
it: its references come back as they were, into a gallery of the same embedding space only.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from holotype.errors import UsageError
from holotype.exports import OWN, fingerprint_in, thumbnail_file
from holotype.fingerprint import Fingerprint
from holotype.images.finding import LeftOut
from holotype.intake.batch import VECTORS_AT_A_TIME
from holotype.intake.incoming import Incoming
from holotype.intake.kept import Kept
from holotype.intake.vectors import checked_vectors, id_of_name, incoming_vectors, vector_record
from holotype.intake.words import readable, text_of
from holotype.references import meta_key
from holotype.store.payload import DISMISSED

LABELLED = ("vector", "label")
"""Columns that a file of references must have."""

_OWN = (*LABELLED, "id", "group", "meta")

Columns = Mapping[str, Any]
"""Some rows: `vector` as an array or a list of rows, the others as lists."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The rows of one file. Iterating again reads it again.

    Raises:
        UsageError: the file is missing, is of another kind, cannot be read, or lacks a column.
    """

    file: Path
    meta: Mapping[str, str] = field(default_factory=dict)
    """For every row; a row's own value of the same key counts more."""
    dimension: int = field(init=False, default=0)
    """Numbers of the first vector."""
    left_out: LeftOut = field(default_factory=LeftOut, init=False, compare=False)
    """Nothing: every row is a reference, or is refused."""
    fingerprint: Fingerprint | None = field(init=False, default=None)
    """The space that an export says it is of; None of any other file."""

    def __post_init__(self) -> None:
        if not self.file.is_file():
            raise UsageError(f"no such file of vectors: {self.file}")
        first = next(iter(self._pages()), None)
        if first is None:
            raise UsageError(f"nothing to add: {self.file} holds no vectors")
        object.__setattr__(self, "dimension", np.size(first["vector"][0]))
        if self.file.suffix.lower() == ".parquet":
            object.__setattr__(self, "fingerprint", exported_space(self.file))

    def count(self) -> int:
        """How many rows there are."""
        return sum(len(page["label"]) for page in self._pages())

    def incoming(self, space: Fingerprint) -> Iterator[list[Incoming]]:
        """Every row, some at a time; a row that cannot be used comes out as failed."""
        row = 1
        for page in self._pages():
            vectors, problems = checked_vectors(page["vector"], space.dimension)
            rows: list[Incoming] = []
            for i, vector in enumerate(vectors):
                values = {name: column[i] for name, column in page.items()}
                rows.append(self._row(row + i, vector, values, problems.get(i), space))
            yield rows
            row += len(vectors)

    def _row(
        self,
        row: int,
        vector: npt.NDArray[np.float32],
        values: Mapping[str, Any],
        problem: str | None,
        space: Fingerprint,
    ) -> Incoming:
        source = f"{readable(self.file.absolute())} row {row}"
        if problem is not None:
            return Incoming.refused(source, f"it {problem}")
        try:
            exported = self.fingerprint is not None
            kept = Kept.of(values, self._thumbnail(values)) if exported else None
            known = (*OWN, DISMISSED) if exported else _OWN
            own = {name: value for name, value in values.items() if name not in known}
            record = vector_record(
                vector,
                values["label"],
                id=values.get("id"),
                group=values.get("group"),
                meta={**self.meta, **_unfolded(values.get("meta")), **own},
                source=source if kept is None else text_of("source", values["source"]),
                kept=kept,
            )
        except UsageError as error:
            return Incoming.refused(source, str(error))
        return incoming_vectors([record], space)[0]

    def _thumbnail(self, values: Mapping[str, Any]) -> bytes | None:
        id_ = text_of("id", values["id"])
        try:
            return thumbnail_file(self.file, id_of_name(id_)).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"its thumbnail cannot be read: {error.strerror}") from error

    def _pages(self) -> Iterator[Columns]:
        """The columns of some rows at a time, by the names of `_OWN` or metadata keys."""
        return pages(self.file)


def pages(file: Path, *, required: Sequence[str] = LABELLED) -> Iterator[Columns]:
    """The columns of some rows at a time, by their names, or metadata keys.

    Raises:
        UsageError: the file is of another kind, cannot be read, or lacks a column of `required`.
    """
    readers = {".npz": _npz, ".parquet": _parquet}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"{file}: vectors come in a .parquet or .npz file")
    return reader(file, required)


def exported_space(file: Path) -> Fingerprint | None:
    """The embedding space that a Parquet file of `ingest export` is of; None of any other.

    Raises:
        UsageError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return fingerprint_in(pq.read_schema(file))
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{file} cannot be read as Parquet: {error}") from error
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error


def _names(file: Path, written: Iterable[str], required: Sequence[str]) -> dict[str, str]:
    """What each column is, by its name in the file.

    Raises:
        UsageError: one is missing, or cannot be a metadata key.
    """
    names = {name: name if name in {*_OWN, *OWN} else meta_key(name) for name in written}
    missing = [name for name in required if name not in names]
    if missing:
        raise UsageError(
            f"{file} lacks the column {' and the column '.join(map(repr, missing))}; "
            f"it has {', '.join(map(repr, names)) or 'none'}"
        )
    return names


def _npz(file: Path, required: Sequence[str]) -> Iterator[Columns]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            names = _names(file, arrays.files, required)
            columns = {name: arrays[written] for written, name in names.items()}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UsageError(f"{file} cannot be read as arrays without pickles: {error}") from error
    lengths = {len(column) if column.ndim else -1 for column in columns.values()}
    if len(lengths) > 1 or -1 in lengths:
        raise UsageError(f"{file}: its arrays differ in length: give one row a reference in each")
    for start in range(0, lengths.pop(), VECTORS_AT_A_TIME):
        page = {name: column[start : start + VECTORS_AT_A_TIME] for name, column in columns.items()}
        yield {n: page[n] if n == "vector" else page[n].tolist() for n in page}


def _parquet(file: Path, required: Sequence[str]) -> Iterator[Columns]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            names = _names(file, table.schema_arrow.names, required)
            for batch in table.iter_batches(batch_size=VECTORS_AT_A_TIME):
                columns = zip(batch.schema.names, batch.columns, strict=True)
                page = {names[written]: column for written, column in columns}
                yield {n: _rows(c) if n == "vector" else c.to_pylist() for n, c in page.items()}
    except (pa.ArrowException, OSError) as error:  # damaged pages raise either
        raise UsageError(f"{file} cannot be read as Parquet: {error}") from error


def _rows(column: Any) -> Any:
    """A column of lists as (n, D) numbers where all have one length, else as lists."""
    if not column.null_count and hasattr(column, "value_lengths"):
        numbers, lengths = column.flatten(), set(column.value_lengths().to_pylist())
        if len(lengths) == 1 and not numbers.null_count:
            return numbers.to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return column.to_pylist()


def _unfolded(value: object) -> dict[str, Any]:
    """Metadata of a row: a struct or a map of Parquet, or a JSON object.

    Raises:
        UsageError: it is none of these.
    """
    try:
        found: Any = json.loads(value) if isinstance(value, str) and value else value
        return dict(found or {})
    except (ValueError, TypeError) as error:
        raise UsageError(f"its meta {value!r} is no object of texts: {error}") from error
