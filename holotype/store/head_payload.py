"""Heads and leases as Qdrant points, the same in both engines.

Six kinds of points lie in the heads' space, told apart by the payload key `kind`:

- `row`: one row of a block, its numbers as the vector (D + 1, Dot: stored as they are);
- `head`: the record of a version, written after its rows;
- `active`: the one pointer;
- `lease`: who holds a named right, until when (on a server; an embedded gallery has one owner,
  who keeps them in memory);
- `event` and `removed`: what was done to the gallery (`holotype.store.events`).

Only rows and what was removed carry numbers; the others have a zero vector. Every id follows from
what the point is, so writing a thing twice is writing it once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from holotype.heads import ActiveHead, HeadRecord, Lease, StoredHead
from holotype.references import Vectors
from holotype.store.points import Point

HEADS_NAMESPACE = uuid.UUID("0f1d6a52-93a9-5c55-8d0e-3e1c5b7ad4e6")

KIND, VERSION = "kind", "version"
"""The payload keys that are indexed; the second has the version of a head, or an action's id."""

ROW, HEAD, ACTIVE, LEASE = "row", "head", "active", "lease"
EVENT, REMOVED = "event", "removed"
"""Values of `kind`."""

_NAMED_BY = {
    ROW: (VERSION, "block", "row"),
    HEAD: (VERSION,),
    ACTIVE: (),
    LEASE: ("name",),
    EVENT: (VERSION, "step"),
    REMOVED: (VERSION, "step", "reference"),
}
"""What of its payload makes the id of a point."""


def point_id(kind: str, *parts: str | int) -> str:
    """Id of the point of this kind that `parts` name."""
    return str(uuid.uuid5(HEADS_NAMESPACE, json.dumps([kind, *parts])))


def id_of(payload: Mapping[str, Any]) -> str | None:
    """The id of the point that carries this payload; None where it is none of these."""
    keys = _NAMED_BY.get(payload.get(KIND, ""))
    if keys is None or not payload.keys() >= set(keys):
        return None
    return point_id(payload[KIND], *(payload[key] for key in keys))


def plain_point(payload: dict[str, Any], *, columns: int) -> Point:
    """A point without numbers: engines demand a vector."""
    names = _NAMED_BY[payload[KIND]]
    here = point_id(payload[KIND], *(payload[name] for name in names))
    return Point(here, np.zeros(columns, dtype=np.float32), payload)


def with_block_rows(head: StoredHead) -> HeadRecord:
    """The record, with the rows that its blocks really have."""
    return replace(head.record, block_rows={n: len(block) for n, block in head.blocks.items()})


def rows_of(head: StoredHead) -> Iterator[Point]:
    """Every row of every block."""
    version = head.record.version
    for block, matrix in head.blocks.items():
        for row, vector in enumerate(matrix):
            payload = {KIND: ROW, VERSION: version, "block": block, "row": row}
            yield Point(point_id(ROW, version, block, row), vector, payload)


def row_ids(record: HeadRecord) -> dict[str, list[str]]:
    """Ids of the rows of each block, in row order."""
    return {
        block: [point_id(ROW, record.version, block, row) for row in range(rows)]
        for block, rows in record.block_rows.items()
    }


def block_of(ids: list[str], vectors: Mapping[str, Any], *, columns: int) -> Vectors | None:
    """(rows, columns) float32 in the order of `ids`; None where some of them are missing."""
    if any(len(vectors.get(row) or ()) != columns for row in ids):
        return None
    matrix = np.array([vectors[row] for row in ids], dtype=np.float32)
    return matrix.reshape(len(ids), columns)


def record_payload(record: HeadRecord) -> dict[str, Any]:
    """The `head` point's payload. The report is a JSON string: engines leave it alone."""
    return {
        KIND: HEAD,
        VERSION: record.version,
        "created_at": record.created_at,
        "status": record.status,
        "labels": list(record.labels),
        "block_rows": dict(record.block_rows),
        "report": json.dumps(record.report, allow_nan=False),
    }


def record_from(payload: Mapping[str, Any]) -> HeadRecord:
    """Inverse of `record_payload`."""
    return HeadRecord(
        version=payload[VERSION],
        created_at=payload["created_at"],
        status=payload["status"],
        labels=tuple(payload["labels"]),
        report=json.loads(payload["report"]),
        block_rows=payload["block_rows"],
    )


def active_payload(active: ActiveHead) -> dict[str, Any]:
    """The pointer's payload. Not under `version`: that key selects a version's points."""
    return {
        KIND: ACTIVE,
        "points_to": active.version,
        "history": list(active.history),
        "newest": active.newest,
    }


def active_from(payload: Mapping[str, Any]) -> ActiveHead:
    """Inverse of `active_payload`."""
    return ActiveHead(
        version=payload["points_to"],
        history=tuple(payload["history"]),
        newest=payload.get("newest"),
    )


def lease_payload(lease: Lease) -> dict[str, Any]:
    """A lease's payload."""
    return {
        KIND: LEASE,
        "name": lease.name,
        "holder": lease.holder,
        "expires_at": lease.expires_at,
    }


def lease_from(payload: Mapping[str, Any]) -> Lease:
    """Inverse of `lease_payload`."""
    return Lease(
        name=payload["name"], holder=payload["holder"], expires_at=float(payload["expires_at"])
    )
