"""Vectors that come from elsewhere, as references without a file.

**Which reference a vector is.** Its id is made by the rule for files: UUIDv5 of a hex sha256 in
`REFERENCE_NAMESPACE`. What is hashed is the name of the space in UTF-8, a zero byte, and the
vector as it is stored: unit length, little-endian float32. The same vector is the same reference,
so adding it twice does nothing. Who knows references by names of their own gives them: a UUID is
the id as it is, any other text is hashed in place of the vector. A name that comes again with
another vector is refused, for the gallery would go on answering from the first.

**Which vectors there are.** All of one length D, finite, none of them zero; they are stored with
length 1. Those whose length is 1 already, as of an export, stay bit for bit what they are.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from holotype.errors import InvalidReference, UsageError
from holotype.fingerprint import Fingerprint
from holotype.intake.incoming import Incoming
from holotype.intake.kept import Kept
from holotype.intake.words import clean_group, clean_id, clean_label, clean_meta, text_of
from holotype.references import EmbeddedReference, Reference, Vectors, reference_id

UNIT_ALREADY = 1e-6
"""How far the length of a float32 vector that was made 1 may be from it: rounding stays below."""

BLOCK = 4096
"""Rows that are worked on in float64 at a time."""


@dataclass(frozen=True, slots=True)
class VectorRecord:
    """A labelled vector on its way into the gallery. Texts in their one spelling."""

    vector: Vectors
    """(D,) float32, unit length."""
    label: str
    id: str | None = None
    """As it was given; None: the vector says which reference it is."""
    group: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    source: str = "vector"
    """Where it came from, for people."""
    kept: Kept | None = None
    """What its reference was elsewhere, which it is here again."""


def unit_vectors(X: npt.ArrayLike, dimension: int, *, ids: Sequence[str] | None = None) -> Vectors:
    """Vectors of any numbers as rows of length 1.

    Args:
        X: (N, D) numbers.
        dimension: D of the gallery.
        ids: N names, for messages.

    Returns:
        (N, D) float32, unit rows.

    Raises:
        InvalidReference: names the first row that is no vector of this gallery, and why.
    """
    rows, problems = checked_vectors(X, dimension)
    if problems:
        row, problem = next(iter(problems.items()))
        more = f"; {len(problems) - 1} more rows like it" if len(problems) > 1 else ""
        raise InvalidReference(f"{_row(row, ids)} {problem}{more}; nothing was done")
    return rows


def checked_vectors(X: npt.ArrayLike, dimension: int) -> tuple[Vectors, dict[int, str]]:
    """As `unit_vectors`, but with what is wrong with which row; such rows are zero.

    Returns:
        (N, D) float32, and problem by row, ascending.
    """
    values, problems = _numbers(X, dimension)
    units = np.zeros((len(values), dimension), np.float32)
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            largest = np.abs(block).max(axis=1, keepdims=True)
            scaled = block / largest  # so that no square is too large or too small
            lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
            as_it_is = np.abs(lengths * largest - 1.0) <= UNIT_ALREADY
            unit = np.where(as_it_is, block, scaled / lengths)
        for row in np.flatnonzero(~np.isfinite(unit).all(axis=1)):
            problems.setdefault(start + int(row), _why_not(block[row]))
            unit[row] = 0.0
        units[start : start + BLOCK] = unit
    return units, dict(sorted(problems.items()))


def first_dimension(X: npt.ArrayLike) -> int | None:
    """Numbers of the first of these vectors; None where they are no rows, or none."""
    try:
        shape = np.shape(X)
    except ValueError:  # rows of different lengths
        return int(np.size(next(iter(X))))  # type: ignore[arg-type]
    return shape[1] if len(shape) == 2 else None


def vector_records(
    X: npt.ArrayLike,
    labels: Sequence[object],
    *,
    dimension: int,
    ids: Sequence[str] | None = None,
    groups: Sequence[object] | None = None,
    meta: Sequence[Mapping[str, object]] | None = None,
) -> list[VectorRecord]:
    """Columns as records: row i of every argument is one reference.

    Args:
        X: (N, D) numbers, brought to unit length here.
        labels: N labels: text or numbers.
        dimension: D of the gallery.
        ids: N names of references (see the module); None: the vectors say which they are.
        groups: N groups, None where a reference is independent of all others.
        meta: N mappings of metadata.

    Raises:
        InvalidReference: see `unit_vectors`.
        UsageError: lengths differ, or a row's text cannot be used; the row is named.
    """
    ids = None if ids is None else list(ids)
    vectors = unit_vectors(X, dimension, ids=ids)
    columns: dict[str, Iterable[Any] | None]
    columns = {"labels": labels, "ids": ids, "groups": groups, "meta": meta}
    # As lists: a column of pandas would be asked for the row of this index, not of this place.
    rows = {name: [None] * len(vectors) if c is None else list(c) for name, c in columns.items()}
    for name, column in rows.items():
        if len(column) != len(vectors):
            raise UsageError(f"there are {len(vectors)} vectors and {len(column)} {name}")
    records = []
    for row, vector in enumerate(vectors):
        where = _row(row, ids)
        label, name, group, more = (_plain(column[row]) for column in rows.values())
        plain = {key: _plain(value) for key, value in (more or {}).items()}
        try:
            record = vector_record(vector, label, id=name, group=group, meta=plain, source=where)
        except UsageError as error:
            raise UsageError(f"{where}: {error}; nothing was done") from error
        records.append(record)
    return records


def vector_record(
    vector: Vectors,
    label: object,
    *,
    id: str | None = None,  # noqa: A002  the word of every other record
    group: object = None,
    meta: Mapping[str, object] | None = None,
    source: str = "vector",
    kept: Kept | None = None,
) -> VectorRecord:
    """One record, its texts made uniform.

    Args:
        vector: (D,) float32, unit length.
        label: text, or a number.
        id: see the module; None or empty: none was given.
        group: None or empty: it is independent of all others.
        meta: metadata; values that are None or empty are left out.
        source: where it came from, for people.
        kept: of an export.

    Raises:
        UsageError: a text cannot be used.
    """
    grouped, named = text_of("group", group), text_of("id", id)
    return VectorRecord(
        vector=vector,
        label=clean_label(text_of("label", label)),
        id=clean_id(named) if named else None,
        group=clean_group(grouped) if grouped else None,
        meta=clean_meta({key: text_of(key, value) for key, value in (meta or {}).items()}),
        source=source,
        kept=kept,
    )


def incoming_vectors(records: Sequence[VectorRecord], fingerprint: Fingerprint) -> list[Incoming]:
    """Records on their way into a gallery: what is left to do is `Intake.add_vectors`."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    space = fingerprint.space or fingerprint.id
    return [_incoming(record, space, now) for record in records]


def vector_sha256(vector: Vectors, space: str) -> str:
    """What stands for a file's sha256: of the space's name, a zero byte, and the vector.

    Args:
        vector: (D,) float32, unit length.
        space: the name; in a gallery of pictures, the id of its fingerprint.
    """
    return hashlib.sha256(space.encode() + b"\0" + vector.astype("<f4").tobytes()).hexdigest()


def vector_ids(vectors: Vectors, fingerprint: Fingerprint) -> list[str]:
    """The ids that these vectors have, or would have, as references without a name.

    Args:
        vectors: (N, D) float32, unit rows.
        fingerprint: of the gallery.
    """
    space = fingerprint.space or fingerprint.id
    return [reference_id(vector_sha256(vector, space)) for vector in vectors]


def id_of_name(name: str) -> str:
    """The id of a reference that somebody knows by this name: a UUID is its own."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return reference_id(hashlib.sha256(name.encode()).hexdigest())


def _incoming(record: VectorRecord, space: str, now: str) -> Incoming:
    kept = record.kept or Kept(vector_sha256(record.vector, space), 0, 0, now)
    sha256 = kept.sha256
    reference = Reference(
        id=reference_id(sha256) if record.id is None else id_of_name(record.id),
        label=record.label,
        sha256=sha256,
        source=record.source,
        width=kept.width,
        height=kept.height,
        added_at=kept.added_at,
        group=record.group,
        meta=record.meta,
        dismissed=kept.dismissed,
    )
    return Incoming(
        source=record.source,
        label=record.label,
        group=record.group,
        meta=record.meta,
        sha256=sha256,
        id=reference.id,
        embedded=EmbeddedReference(reference, record.vector, kept.thumbnail),
    )


def _numbers(X: npt.ArrayLike, dimension: int) -> tuple[npt.NDArray[Any], dict[int, str]]:
    """(N, D) real numbers; rows of another length, or of no numbers, are zero and named."""
    try:
        values = np.asarray(X)
    except ValueError:  # rows of different lengths
        values = np.empty(0, object)
    if values.ndim == 2 and values.shape[1] == dimension and values.dtype.kind in "fiub":
        return values, {}
    if values.ndim == 0 or (values.ndim == 1 and values.dtype != object and values.size):
        raise InvalidReference(
            f"vectors are given as rows, (N, {dimension}), not as {values.shape}: one vector is "
            "X[None, :]"
        )
    rows = list(X)  # type: ignore[arg-type]  # a sequence of rows, or numpy would have refused it
    found = np.zeros((len(rows), dimension))
    problems = {}
    for row, given in enumerate(rows):
        try:
            one = np.asarray(given)
            if one.ndim == 0:
                problems[row] = "is no row of numbers: give a list of floats"
            elif one.shape != (dimension,):
                found_size = " x ".join(map(str, one.shape)) or "1"
                problems[row] = (
                    f"has {found_size} numbers, the gallery's vectors have {dimension}: embed it "
                    "with the encoder that the gallery was made with"
                )
            elif one.dtype.kind not in "fiub":
                problems[row] = "does not hold real numbers: give floats"
            else:
                found[row] = one
        except ValueError:
            problems[row] = "is no row of numbers: give a list of floats"
    return found, problems


def _why_not(row: npt.NDArray[np.float64]) -> str:
    if not np.isfinite(row).all():
        what = "NaN" if np.isnan(row).any() else "infinite numbers"
        return f"holds {what}: leave it out, or embed it again"
    return "is all zeros, which has no direction to compare: leave it out, or embed it again"


def _row(row: int, ids: Sequence[str] | None) -> str:
    return f"row {row}" if ids is None or row >= len(ids) else f"row {row} ({str(ids[row])!r})"


def _plain(value: Any) -> Any:
    """A number or text of numpy as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
