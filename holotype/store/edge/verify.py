"""Reading everything that a gallery holds, and saying what is wrong with it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import qdrant_edge as qe

from holotype.errors import HolotypeError, StoreError
from holotype.heads import StoredHead
from holotype.references import Vectors
from holotype.store import head_payload
from holotype.store.edge.shard import Shard
from holotype.store.payload import THUMBNAIL, from_payload
from holotype.store.port import Damage
from holotype.store.validate import check_head, reference_problem, valid_ids, vector_problem

PAGE: Final = 256

LABEL_INDEX: Final = "the index of labels"
ACTIVE_HEAD: Final = "the active head"
"""Items of damages that are neither a reference nor a head version."""


class Heads(Protocol):
    """What is asked of the half of the store that is about heads."""

    dimension: int

    def load_head(self, version: str) -> StoredHead: ...  # noqa: D102  as in VectorStore


@dataclass(frozen=True, slots=True)
class Point:
    """What a shard holds under one id."""

    id: str
    payload: Mapping[str, Any]
    vector: Vectors
    """(D,) float32."""


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


def reference_damage(point: Point, dimension: int) -> str | None:
    """What is wrong with a reference; None where it is whole."""
    try:
        reference = from_payload(point.id, point.payload)
        base64.b64decode(point.payload.get(THUMBNAIL, ""), validate=True)
        problem = reference_problem(reference)
    except KeyError as error:
        return f"its payload lacks {error}"
    except (AttributeError, TypeError, ValueError) as error:
        return f"its payload cannot be read ({error})"
    return problem or vector_problem(point.vector, dimension)


def references(shard: Shard, dimension: int) -> tuple[int, list[Damage]]:
    """How many references are whole, and what is wrong with the others."""
    damages: list[Damage] = []
    labels: Counter[str] = Counter()
    for page in points(shard, damages):
        for point in page:
            problem = reference_damage(point, dimension)
            if problem is None:
                labels[point.payload["label"]] += 1
            else:
                damages.append(Damage(point.id, problem))
    if not damages:
        damages += _counted(shard, labels)
    return labels.total(), damages


def heads(store: Heads, shard: Shard) -> tuple[set[str], list[Damage]]:
    """Which head versions are whole, and what is wrong with the others."""
    damages: list[Damage] = []
    whole: set[str] = set()
    active: str | None = None
    for page in points(shard, damages):
        for point in page:
            kind = point.payload.get(head_payload.KIND)
            if head_payload.id_of(point.payload) != point.id:
                damages.append(Damage(point.id, "its payload does not belong to its id"))
            elif kind == head_payload.ACTIVE:
                active = str(point.payload.get("points_to"))
            elif kind == head_payload.HEAD:
                version = str(point.payload[head_payload.VERSION])
                problem = _head_problem(store, version)
                if problem is None:
                    whole.add(version)
                else:
                    damages.append(Damage(version, problem))
    if active is not None and active not in whole:
        damages.append(Damage(ACTIVE_HEAD, f"points to {active!r}, which is not whole"))
    return whole, damages


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


def _counted(shard: Shard, labels: Counter[str]) -> list[Damage]:
    """Where the index of labels says something else than the references."""
    indexed = shard.facet("label") if labels else {}
    return [
        Damage(LABEL_INDEX, f"says {indexed.get(label, 0)} of {label!r}, not {count}")
        for label, count in labels.items()
        if indexed.get(label, 0) != count
    ]


def _head_problem(store: Heads, version: str) -> str | None:
    try:
        head = store.load_head(version)
        check_head(head, store.dimension)
    except HolotypeError as error:
        return str(error)
    except (KeyError, TypeError, ValueError) as error:
        return f"its record cannot be read ({error})"
    return None
