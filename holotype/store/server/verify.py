"""Everything that a gallery on a server holds, looked at, compared and mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from holotype.errors import StoreUnavailable
from holotype.settings import Settings
from holotype.store.payload import CHANGED_AT
from holotype.store.port import Damage
from holotype.store.server.batches import chunks
from holotype.store.server.collection import IDS_PER_CALL, Collection
from holotype.store.server.comparing import Difference, differences, write_again
from holotype.store.server.errors import shown_url
from holotype.store.server.filters import ids_filter
from holotype.store.server.nodes import each_node
from holotype.store.whole import Point, check_references

LABEL_INDEX: Final = "the index of labels"

_PAGE: Final = 256
"""Whole references, thumbnails included."""


def verify_references(
    collection: Collection, dimension: int, *, repair: bool
) -> tuple[int, list[Damage]]:
    """How many are whole, and what is wrong with the others, which a repair removes."""
    before = _state(collection)
    labels, damages = check_references(_points(collection), dimension)
    if not damages and _state(collection) == before:  # nothing was written meanwhile
        counted = collection.facet("label")
        damages = [
            Damage(LABEL_INDEX, f"says {counted.get(label, 0)} of {label!r}, not {count}")
            for label, count in labels.items()
            if counted.get(label, 0) != count
        ]
    elif repair:
        for some in chunks(damages, IDS_PER_CALL):
            ids = [damage.item for damage in some]
            collection.delete(ids_filter(ids), f"{len(ids)} damaged references")
        mended = "it was removed: add its picture again"
        damages = [replace(damage, mended=mended) for damage in damages]
    return labels.total(), damages


def verify_replicas(
    collection: Collection, kind: str, settings: Settings, *, repair: bool
) -> list[Damage]:
    """What the nodes do not agree on, which a repair writes to all of them again.

    Args:
        collection: any number of shards and replicas.
        kind: what a point of it is called, for people.
        settings: of the store, and the addresses of all nodes.
        repair: write what is missing, or older, from the node that has it.
    """
    if collection.replicas() < 2:
        return []
    damages: list[Damage] = []
    with each_node(settings, collection.client, collection.calls) as nodes:
        reached = []
        for client, calls in nodes:
            try:
                calls("comparing the replicas", client.info)
            except StoreUnavailable as error:
                damages.append(Damage(f"the node at {shown_url(calls.url)}", _silent(error)))
            else:
                reached.append(Collection(client, calls, collection.name))
        for found in differences(reached):
            if repair:
                write_again(collection, reached, found, f"{kind}s of one node")
            damages += [_damage(d, kind, len(reached), mended=repair) for d in found]
    return damages


def _state(collection: Collection) -> tuple[int, int]:
    return collection.largest(CHANGED_AT), collection.count()


def _points(collection: Collection) -> Iterator[list[Point]]:
    for records in collection.pages(None, size=_PAGE, payload=True, vectors=True):
        yield [
            Point(str(r.id), r.payload or {}, np.asarray(r.vector or (), dtype=np.float32))
            for r in records
        ]


def _damage(difference: Difference, kind: str, nodes: int, *, mended: bool) -> Damage:
    if difference.nodes < nodes:
        problem = f"{difference.nodes} of {nodes} nodes have this {kind}"
    else:
        problem = f"the nodes do not have the same of this {kind}"
    return Damage(difference.id, problem, "it was written to all of them" if mended else None)


def _silent(error: StoreUnavailable) -> str:
    return (
        f"was not compared with the others ({error}); HOLOTYPE_QDRANT_NODES takes the addresses "
        "of all nodes, with commas between them"
    )
