"""What a whole reference is, and a whole head, whichever engine holds them."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from holotype.errors import HolotypeError
from holotype.store import head_payload
from holotype.store.payload import THUMBNAIL, from_payload
from holotype.store.points import Point
from holotype.store.port import Damage, VectorStore
from holotype.store.validate import check_head, reference_problem, vector_problem

LABEL_INDEX: Final = "the index of labels"
ACTIVE_HEAD: Final = "the active head"
"""Items of damages that are neither a reference nor a head version."""


def check_whole(
    pages: Iterable[Sequence[Point]], dimension: int
) -> tuple[Counter[str], list[Damage]]:
    """How many references of each label are whole, and what is wrong with the others."""
    labels: Counter[str] = Counter()
    damages: list[Damage] = []
    for page in pages:
        for point in page:
            problem = reference_damage(point, dimension)
            if problem is None:
                labels[point.payload["label"]] += 1
            else:
                damages.append(Damage(point.id, problem))
    return labels, damages


def check_index(labels: Mapping[str, int], indexed: Mapping[str, int]) -> list[Damage]:
    """Where the index of labels says something else than the references."""
    return [
        Damage(LABEL_INDEX, f"says {indexed.get(label, 0)} of {label!r}, not {count}")
        for label, count in labels.items()
        if indexed.get(label, 0) != count
    ]


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


def check_heads(
    store: VectorStore, payloads: Iterable[tuple[str, Mapping[str, Any]]], dimension: int
) -> tuple[set[str], list[Damage]]:
    """Which head versions are whole, and what is wrong with the others.

    Args:
        store: where they are loaded from.
        payloads: id and payload of every point of the heads' space.
        dimension: D.
    """
    damages: list[Damage] = []
    whole: set[str] = set()
    active: str | None = None
    for point_id, payload in payloads:
        kind = payload.get(head_payload.KIND)
        if head_payload.id_of(payload) != point_id:
            damages.append(Damage(point_id, "its payload does not belong to its id"))
        elif kind == head_payload.ACTIVE:
            active = str(payload.get("points_to"))
        elif kind == head_payload.HEAD:
            version = str(payload[head_payload.VERSION])
            problem = _head_problem(store, version, dimension)
            if problem is None:
                whole.add(version)
            else:
                damages.append(Damage(version, problem))
    if active is not None and active not in whole:
        damages.append(Damage(ACTIVE_HEAD, f"points to {active!r}, which is not whole"))
    return whole, damages


def _head_problem(store: VectorStore, version: str, dimension: int) -> str | None:
    try:
        check_head(store.load_head(version), dimension)
    except HolotypeError as error:
        return str(error)
    except (KeyError, TypeError, ValueError) as error:
        return f"its record cannot be read ({error})"
    return None
