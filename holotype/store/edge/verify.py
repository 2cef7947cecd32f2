"""Reading everything that a gallery holds, and saying what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import qdrant_edge as qe

from holotype.errors import StoreError
from holotype.store.edge.shard import Shard
from holotype.store.port import Damage
from holotype.store.validate import valid_ids
from holotype.store.whole import Heads, Point, check_heads, check_index, check_references

PAGE: Final = 256


def points(shard: Shard, unread: list[Damage]) -> Iterator[list[Point]]:
    """Every point, a page at a time.

    Args:
        shard: open.
        unread: gets the ids that the engine cannot read.
    """
    following: str | None = None
    while True:
        page = qe.ScrollRequest(offset=following, limit=PAGE, with_payload=False, with_vector=False)
        records, following = shard.scroll(page)
        yield _read(shard, [str(record.id) for record in records], unread)
        if following is None:
            return


def references(shard: Shard, dimension: int) -> tuple[int, list[Damage]]:
    """How many references are whole, and what is wrong with the others."""
    unread: list[Damage] = []
    labels, damages = check_references(points(shard, unread), dimension)
    damages = [*unread, *damages]
    if labels and not damages:
        damages = check_index(labels, shard.facet("label"))
    return labels.total(), damages


def heads(store: Heads, shard: Shard, dimension: int) -> tuple[set[str], list[Damage]]:
    """Which head versions are whole, and what is wrong with the others."""
    unread: list[Damage] = []
    payloads = ((p.id, p.payload) for page in points(shard, unread) for p in page)
    whole, damages = check_heads(store, payloads, dimension)
    return whole, [*unread, *damages]


def is_id(text: str) -> bool:
    """Whether this names a point, and not a version or a part of the gallery."""
    return bool(valid_ids([text]))


def _read(shard: Shard, ids: list[str], unread: list[Damage]) -> list[Point]:
    try:
        found = shard.retrieve(ids, payload=True, vectors=True)
    except StoreError as error:
        if len(ids) == 1:
            unread.append(Damage(ids[0], f"the engine cannot read it ({error.__cause__})"))
            return []
        half = len(ids) // 2
        return _read(shard, ids[:half], unread) + _read(shard, ids[half:], unread)
    return [
        Point(id_, record.payload or {}, np.asarray(record.vector or (), dtype=np.float32))
        for id_, record in found.items()
    ]
