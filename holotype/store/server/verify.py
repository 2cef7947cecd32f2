"""Everything that a gallery on a server holds, looked at, compared and mended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from holotype.store.server.nodes import Node, each_node
from holotype.store.whole import Point, check_index, check_references

_ADDRESSES: Final = (
    "HOLOTYPE_QDRANT_NODES takes the addresses of all nodes, with commas between them"
)

_PAGE: Final = 256
"""Whole references, thumbnails included."""


def verify_references(
    collection: Collection, dimension: int, *, repair: bool
) -> tuple[int, list[Damage]]:
    """How many are whole, and what is wrong with the others, which a repair removes."""
    before = _state(collection)
    labels, damages = check_references(_points(collection), dimension)
    still = _state(collection) == before  # nothing was written meanwhile
    if still and not damages and collection.allowed.exact:
        damages = check_index(labels, collection.facet("label"))
    elif repair:
        for some in chunks(damages, IDS_PER_CALL):
            ids = [damage.item for damage in some]
            collection.delete(ids_filter(ids), f"{len(ids)} damaged references")
        mended = "it was removed: add its picture again"
        damages = [replace(damage, mended=mended) for damage in damages]
    return labels.total(), damages


def verify_replicas(
    collections: Mapping[str, Collection], settings: Settings, *, repair: bool
) -> list[Damage]:
    """What the nodes do not agree on, which a repair writes to all of them again.

    Args:
        collections: by what a point of it is called, for people.
        settings: of the store, with the addresses of all nodes.
        repair: write what is missing, or older, from the node that has it.
    """
    first = next(iter(collections.values()))
    replicas = first.replicas()
    if replicas < 2:
        return []
    with each_node(settings, first.client, first.calls) as nodes:
        reached, damages = _reached(nodes)
        if len(nodes) < replicas:
            problem = f"{replicas} replicas cannot be compared on {len(nodes)} node: {_ADDRESSES}"
            damages.append(Damage("the replicas", problem))
        for kind, collection in collections.items():
            on_nodes = [replace(collection, client=node, calls=calls) for node, calls in reached]
            for found in differences(on_nodes):
                if repair:
                    ids = [difference.id for difference in found]
                    write_again(collection, on_nodes, ids, f"{kind}s that replicas differ about")
                damages += [_damage(difference, kind, mended=repair) for difference in found]
    return damages


def _reached(nodes: Sequence[Node]) -> tuple[list[Node], list[Damage]]:
    """The nodes that answer, and what is to be said of the others."""
    reached, damages = [], []
    for client, calls in nodes:
        try:
            calls("comparing the replicas", client.info)
        except StoreUnavailable as error:
            problem = f"was not compared with the others ({error}); {_ADDRESSES}"
            damages.append(Damage(f"the node at {shown_url(calls.url)}", problem))
        else:
            reached.append((client, calls))
    return reached, damages


def _state(collection: Collection) -> tuple[int, int]:
    return collection.largest(CHANGED_AT), collection.count()


def _points(collection: Collection) -> Iterator[list[Point]]:
    for records in collection.pages(None, size=_PAGE, payload=True, vectors=True):
        yield [
            Point(str(r.id), r.payload or {}, np.asarray(r.vector or (), dtype=np.float32))
            for r in records
        ]


def _damage(difference: Difference, kind: str, *, mended: bool) -> Damage:
    problem = "a replica lacks this" if difference.missing else "replicas differ about this"
    return Damage(
        difference.id, f"{problem} {kind}", "it was written to all replicas" if mended else None
    )
