"""Whole references as columns, and a gallery as files that other programs read.

    DIR/references.parquet     id, vector (D float32), label, group, source, sha256, width, height,
                               added_at, meta (a map of texts), dismissed
    DIR/thumbnails/<id>.jpg    where a reference has one

The schema's metadata says which gallery and which embedding space they are of (`gallery`,
`fingerprint`), as that of the Arrow stream does. A stream of whole references has the thumbnails
in a column of their own, so that it is one answer.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from holotype.errors import OutputError, StoreMoved, UsageError
from holotype.fingerprint import Fingerprint
from holotype.references import EVERYTHING, EmbeddedReference, Reference, Where
from holotype.store.payload import DISMISSED
from holotype.store.port import WHENEVER

if TYPE_CHECKING:
    import pyarrow as pa

    from holotype.store.port import VectorStore

REFERENCES: Final = "references.parquet"
THUMBNAILS: Final = "thumbnails"

AT_A_TIME: Final = 256
"""References that are held at a time: with thumbnails of 512 pixels about 16 MiB."""

EXPORTS: Final = 3
"""How often an export starts again when references come or go under it."""

Whole = Iterator[list[EmbeddedReference]]
"""References with vectors and thumbnails, some at a time, in id order."""

_TEXTS: Final = ("source", "sha256", "added_at")
_SIZES: Final = ("width", "height")
OWN: Final = ("id", "vector", "label", "group", "meta", *_TEXTS, *_SIZES)
"""The columns of an export; `dismissed` joined them later."""


def whole_references(
    store: VectorStore, *, where: Where = EVERYTHING, moment: bool = True
) -> Whole:
    """Every reference with its vector and thumbnail.

    Args:
        store: of the gallery.
        where: only references that match.
        moment: all of one moment; else each as it is when it is read.

    Raises:
        StoreMoved: references came or went meanwhile; only where `moment`.
        UnknownFilterKey: the filter names a key that no reference carries.
    """
    until = None if moment else WHENEVER
    # The filter is checked now, not when the first batch is asked for.
    return _whole(store, store.export(where=where, batch_size=AT_A_TIME, changed_until=until))


def _whole(store: VectorStore, batches: Iterable[Any]) -> Whole:
    for batch in batches:
        thumbnails = store.thumbnails(batch.ids)
        vectors = dict(zip(batch.ids, batch.vectors, strict=True))
        yield [
            EmbeddedReference(reference, vectors[reference.id], thumbnails.get(reference.id))
            for reference in store.get(batch.ids)
        ]


def whole_batch(items: Sequence[EmbeddedReference], *, thumbnails: bool) -> pa.RecordBatch:
    """Columns of whole references.

    Args:
        items: at least one.
        thumbnails: as a column, too.
    """
    import pyarrow as pa

    kept = [item.reference for item in items]
    vectors = np.stack([item.vector for item in items])
    columns: dict[str, Any] = {
        "id": pa.array([one.id for one in kept], pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        "label": pa.array([one.label for one in kept], pa.string()),
        "group": pa.array([one.group for one in kept], pa.string()),
    }
    for name in (*_TEXTS, DISMISSED):
        columns[name] = pa.array([getattr(one, name) for one in kept], pa.string())
    for name in _SIZES:
        columns[name] = pa.array([getattr(one, name) for one in kept], pa.int32())
    texts = pa.map_(pa.string(), pa.string())
    columns["meta"] = pa.array([list(one.meta.items()) for one in kept], texts)
    if thumbnails:
        columns["thumbnail"] = pa.array([item.thumbnail for item in items], pa.binary())
    return pa.record_batch(columns)


def whole_rows(batch: pa.RecordBatch) -> list[EmbeddedReference]:
    """Inverse of `whole_batch`."""
    named: dict[str, Any] = dict(zip(batch.schema.names, batch.columns, strict=True))
    rows = named.pop("vector")
    vectors = rows.flatten().to_numpy().reshape(len(batch), rows.type.list_size)
    columns = {name: column.to_pylist() for name, column in named.items()}
    thumbnails = columns.pop("thumbnail", [None] * len(batch))
    columns["meta"] = [dict(pairs or ()) for pairs in columns["meta"]]
    references = [
        Reference(**dict(zip(columns, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]
    return [EmbeddedReference(*row) for row in zip(references, vectors, thumbnails, strict=True)]


def whole_schema(fingerprint: Fingerprint, *, gallery: str, thumbnails: bool) -> pa.Schema:
    """The columns of an export, and what it says of itself."""
    nothing = Reference("", "", "", "", 0, 0, "")
    one = EmbeddedReference(nothing, np.zeros(fingerprint.dimension, np.float32))
    about = {"gallery": gallery, "fingerprint": json.dumps(fingerprint.to_dict())}
    return whole_batch([one], thumbnails=thumbnails).schema.with_metadata(about)


def fingerprint_in(schema: pa.Schema) -> Fingerprint | None:
    """The space of an export; None of any other table.

    Raises:
        UsageError: it says which, and that cannot be read.
    """
    said = (schema.metadata or {}).get(b"fingerprint")
    if said is None or not set(OWN) <= set(schema.names):
        return None
    try:
        return Fingerprint.from_dict(json.loads(said))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"its fingerprint cannot be read ({error}): it was written by a newer version, or is "
            "damaged"
        ) from error


def thumbnail_file(references: Path, id_: str) -> Path:
    """Where the thumbnail of a reference lies beside a file of references."""
    return references.parent / THUMBNAILS / f"{id_}.jpg"


def write_export(
    begin: Callable[[bool], Whole],
    folder: Path,
    *,
    gallery: str,
    fingerprint: Fingerprint,
    advance: Callable[[int], None],
) -> int:
    """Write a gallery as files; the folder is there when it is complete, or not at all.

    Args:
        begin: starts to read the references; told whether all must be of one moment.
        folder: new, or empty.
        gallery: its name.
        fingerprint: of its space.
        advance: told how many more references are written; again from the start where others
            came or went.

    Returns:
        How many references there are.

    Raises:
        UsageError: there is something of that name.
        OutputError: it cannot be written.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already: name a new folder for the export")
    part = folder.with_name(f"{folder.name}.part")
    try:
        for moment in (*[True] * (EXPORTS - 1), False):
            shutil.rmtree(part, ignore_errors=True)
            (part / THUMBNAILS).mkdir(parents=True)
            schema = whole_schema(fingerprint, gallery=gallery, thumbnails=False)
            with suppress(StoreMoved):
                written = _write(begin(moment), part / REFERENCES, schema, advance)
                part.replace(folder)
                return written
        raise AssertionError("an export of each as it is met a change")
    except OSError as error:
        raise OutputError(f"the export to {folder}", error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(batches: Whole, file: Path, schema: pa.Schema, advance: Callable[[int], None]) -> int:
    import pyarrow.parquet as pq

    written = 0
    with pq.ParquetWriter(file, schema) as writer:
        for items in batches:
            if not items:
                continue
            writer.write_batch(whole_batch(items, thumbnails=False))
            for item in items:
                if item.thumbnail is not None:
                    thumbnail_file(file, item.reference.id).write_bytes(item.thumbnail)
            written += len(items)
            advance(len(items))
    return written


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of an export as one of a manifest: its picture's path, label, group and metadata."""
    return {
        "path": row["source"],
        "label": row["label"],
        "group": row["group"],
        **dict(row["meta"] or ()),
    }
