"""Requests of bounded size: Qdrant refuses bodies over 32 MB."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from qdrant_client.http import models

from holotype.errors import InvalidReference
from holotype.references import Vectors

T = TypeVar("T")

MAX_POINTS: Final = 500
"""Of one upsert: a failure repeats no more than this."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one upsert as JSON, estimated: half of what the server takes."""

_BYTES_PER_COMPONENT: Final = 24
"""A float32 written as a double, `-0.012345678918063641, `, is 23 characters at most."""

_BYTES_AROUND: Final = 128
"""Id and punctuation of a point."""


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Consecutive pieces of `size` items; the last may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def point_batches(points: Iterable[models.PointStruct]) -> Iterator[list[models.PointStruct]]:
    """The points in order, in batches bounded by number and bytes."""
    batch: list[models.PointStruct] = []
    size = 0
    for point in points:
        weight = _weight(point)
        if batch and (len(batch) == MAX_POINTS or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(point)
        size += weight
    if batch:
        yield batch


def point(point_id: str, vector: Vectors, payload: dict[str, Any]) -> models.PointStruct:
    """One point; `vector` is (D,) float32, which JSON's doubles carry exactly."""
    return models.PointStruct(id=point_id, vector=vector.tolist(), payload=payload)


def check_size(vector: Vectors, payload: dict[str, Any], what: str) -> None:
    """Refuse a point that no request could carry.

    Raises:
        InvalidReference: it alone is larger than a request may be; nothing was written.
    """
    size = len(vector) * _BYTES_PER_COMPONENT + _payload_bytes(payload)
    if size > MAX_BYTES:
        raise InvalidReference(
            f"{what} takes {size / 2**20:.0f} MiB, and a Qdrant server accepts "
            f"{MAX_BYTES / 2**20:.0f} MiB: make its thumbnail or metadata smaller; nothing of "
            "this batch was written"
        )


def _weight(point: models.PointStruct) -> int:
    components = len(point.vector) if isinstance(point.vector, list) else 0
    return components * _BYTES_PER_COMPONENT + _payload_bytes(point.payload or {}) + _BYTES_AROUND


def _payload_bytes(payload: dict[str, Any]) -> int:
    return len(json.dumps(payload))
