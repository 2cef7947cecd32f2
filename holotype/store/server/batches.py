"""Requests of bounded size: Qdrant refuses bodies over 32 MB."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from qdrant_client.http import models

from holotype.errors import InvalidReference
from holotype.store.points import Point

MAX_POINTS: Final = 500
"""Of one upsert: a failure repeats no more than this."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one upsert as JSON, estimated: half of what the server takes."""

_BYTES_PER_COMPONENT: Final = 24
"""A float32 written as a double, `-0.012345678918063641, `, is 23 characters at most."""

_BYTES_AROUND: Final = 128
"""Id and punctuation of a point."""


def point_batches(points: Iterable[Point]) -> Iterator[list[models.PointStruct]]:
    """The points in order, in batches bounded by number and bytes.

    A vector's float32 are written as JSON's doubles, which carry them exactly.
    """
    batch: list[models.PointStruct] = []
    size = 0
    for point in points:
        weight = _weight(point) + _BYTES_AROUND
        if batch and (len(batch) == MAX_POINTS or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(
            models.PointStruct(id=point.id, vector=point.vector.tolist(), payload=point.payload)
        )
        size += weight
    if batch:
        yield batch


def check_size(point: Point) -> None:
    """Refuse a point that no request could carry.

    Raises:
        InvalidReference: it alone is larger than a request may be; nothing was written.
    """
    size = _weight(point)
    if size > MAX_BYTES:
        raise InvalidReference(
            f"reference {point.payload.get('source')!r} takes {size / 2**20:.0f} MiB, and a Qdrant "
            f"server accepts {MAX_BYTES / 2**20:.0f} MiB: make its thumbnail or metadata smaller; "
            "nothing of this batch was written"
        )


def _weight(point: Point) -> int:
    return len(point.vector) * _BYTES_PER_COMPONENT + len(json.dumps(point.payload))
