"""Labelled vectors as an Arrow stream: written by a service, read by whoever asks it.

One record batch after the other, so that neither side holds more than one: columns `id`,
`vector` (D float32, unit length), `label` and `group` (null where there is none), or all columns of
`holotype.exports`. The schema's metadata says which gallery and which space they are of, as
`GET /v1/gallery` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from holotype.exports import whole_batch, whole_rows, whole_schema
from holotype.references import VectorBatch

if TYPE_CHECKING:
    import pyarrow as pa

    from holotype.columns import References
    from holotype.exports import Whole
    from holotype.fingerprint import Fingerprint

STREAM_TYPE: Final = "application/vnd.apache.arrow.stream"
"""Media type of Arrow's streaming format, as registered with IANA."""


def write_stream(
    batches: Iterable[VectorBatch], file: BinaryIO, *, gallery: str, fingerprint: Fingerprint
) -> None:
    """Write labelled vectors, a batch at a time.

    Args:
        batches: (n, D) each.
        file: to write to.
        gallery: its name.
        fingerprint: of its space; D is its dimension.
    """
    import pyarrow as pa

    about = {"gallery": gallery, "fingerprint": json.dumps(fingerprint.to_dict())}
    empty = VectorBatch([], [], [], np.empty((0, fingerprint.dimension), np.float32))
    schema = record_batch(empty).schema.with_metadata(about)
    with pa.ipc.new_stream(file, schema) as stream:
        for batch in batches:
            stream.write_batch(record_batch(batch))


def write_whole_stream(
    batches: Whole, file: BinaryIO, *, gallery: str, fingerprint: Fingerprint
) -> None:
    """Write whole references with their thumbnails, some at a time.

    Args:
        batches: from `holotype.exports.whole_references`.
        file: to write to.
        gallery: its name.
        fingerprint: of its space.
    """
    import pyarrow as pa

    schema = whole_schema(fingerprint, gallery=gallery, thumbnails=True)
    with pa.ipc.new_stream(file, schema) as stream:
        for items in batches:
            if items:
                stream.write_batch(whole_batch(items, thumbnails=True))


def read_whole_stream(file: BinaryIO) -> Whole:
    """What `write_whole_stream` wrote, as it comes.

    Raises:
        ValueError: this is no such stream.
    """
    import pyarrow as pa

    with pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield whole_rows(batch)


def read_stream(file: BinaryIO) -> Iterator[VectorBatch]:
    """What `write_stream` wrote, as it comes.

    Raises:
        ValueError: this is no such stream (`pyarrow.ArrowInvalid`).
    """
    import pyarrow as pa

    with pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield _batch(batch)


def record_batch(rows: VectorBatch | References) -> pa.RecordBatch:
    """The columns of an export."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(rows.vectors).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, rows.vectors.shape[1])
    texts = {"id": rows.ids, "label": rows.labels, "group": rows.groups}
    columns = {name: pa.array(texts[name], pa.string()) for name in texts}
    return pa.record_batch({"id": columns.pop("id"), "vector": vectors, **columns})


def _batch(batch: pa.RecordBatch) -> VectorBatch:
    named: dict[str, Any] = dict(zip(batch.schema.names, batch.columns, strict=True))
    rows = named["vector"]
    return VectorBatch(
        ids=named["id"].to_pylist(),
        labels=named["label"].to_pylist(),
        groups=named["group"].to_pylist(),
        vectors=rows.flatten().to_numpy().reshape(len(batch), rows.type.list_size),
    )
