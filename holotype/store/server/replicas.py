"""What the replicas of a gallery do not agree on, and bringing them together again.

Every node is read in id order, side by side, so a gallery of any size takes the memory of a
page per node. What differs is looked at once more: a write that was under way has arrived by
then. A write that failed has not, and never will by itself.

A node that has no replica of a shard passes a read on to one that has, now this one, now that.
So what counts is whether any node has something else, not which, or how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final

from qdrant_client.http import models

from holotype.errors import StoreUnavailable
from holotype.settings import Settings
from holotype.store.payload import CHANGED_AT, THUMBNAIL
from holotype.store.points import EVERY_POINT, POINTS_PER_CALL, Without, chunks, whole_point
from holotype.store.port import Damage
from holotype.store.server.collection import Collection
from holotype.store.server.errors import shown_url
from holotype.store.server.nodes import Node, each_node

_ADDRESSES: Final = (
    "HOLOTYPE_QDRANT_NODES takes the addresses of all nodes, with commas between them"
)

_COMPARED: Final = Without(THUMBNAIL)
_POINTS_PER_REPAIR: Final = 100


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A point that not every replica has, or not with the same payload."""

    id: str
    missing: bool
    """Whether some node lacks it."""


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
            for found in disagreements(on_nodes):
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


def _damage(difference: Disagreement, kind: str, *, mended: bool) -> Damage:
    problem = "a replica lacks this" if difference.missing else "replicas differ about this"
    return Damage(
        difference.id, f"{problem} {kind}", "it was written to all replicas" if mended else None
    )


def disagreements(nodes: Sequence[Collection]) -> Iterator[list[Disagreement]]:
    """What the nodes do not agree on, in non-empty lists of bounded length."""
    suspects = _suspects(nodes)
    while some := list(islice(suspects, POINTS_PER_CALL)):
        if found := list(_confirmed(nodes, some)):
            yield found


def write_again(
    collection: Collection, nodes: Sequence[Collection], ids: Sequence[str], what: str
) -> None:
    """Write these points to all replicas, each as the node with its best version has it."""
    for some in chunks(ids, _POINTS_PER_REPAIR):
        seen = [node.retrieve(some, vectors=True) for node in nodes]
        versions = [[records[i] for records in seen if i in records] for i in some]
        best = [_best(records) for records in versions if records]
        collection.upsert(map(whole_point, best), what)


def _suspects(nodes: Sequence[Collection]) -> Iterator[str]:
    """Ids that are not the same on all nodes at the first look, in order."""
    streams = [_stream(node) for node in nodes]
    for point_id, group in groupby(merge(*streams, key=_first), key=_first):
        if _differ([payload for _, payload in group], len(nodes)):
            yield point_id


def _stream(node: Collection) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for page in node.pages(EVERY_POINT, payload=_COMPARED):
        for record in page:
            yield str(record.id), record.payload or {}


def _first(seen: tuple[str, Mapping[str, Any]]) -> str:
    return seen[0]


def _confirmed(nodes: Sequence[Collection], ids: Sequence[str]) -> Iterator[Disagreement]:
    seen = [node.retrieve(ids, payload=_COMPARED) for node in nodes]
    for point_id in ids:
        payloads = [records[point_id].payload or {} for records in seen if point_id in records]
        if payloads and _differ(payloads, len(nodes)):
            yield Disagreement(point_id, missing=len(payloads) < len(nodes))


def _differ(payloads: Sequence[Mapping[str, Any]], nodes: int) -> bool:
    return len(payloads) < nodes or any(payload != payloads[0] for payload in payloads)


def _best(records: Iterable[models.Record]) -> models.Record:
    """The latest change; of equals (heads have no time) what most nodes have."""
    every = list(records)
    payloads = [record.payload or {} for record in every]
    ranked = {
        index: (payload.get(CHANGED_AT, 0), payloads.count(payload))
        for index, payload in enumerate(payloads)
    }
    return every[max(ranked, key=ranked.__getitem__)]
