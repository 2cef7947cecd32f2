"""What the replicas of a collection do not agree on, and bringing them together again.

Every node is read in id order, side by side, so a gallery of any size takes the memory of a
page per node. What differs is looked at once more: a write that was under way has arrived by
then. A write that failed has not, and never will by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final

import numpy as np
from qdrant_client.http import models

from holotype.store.payload import CHANGED_AT, THUMBNAIL
from holotype.store.server.batches import point
from holotype.store.server.collection import IDS_PER_CALL, Collection

_COMPARED: Final = models.PayloadSelectorExclude(exclude=[THUMBNAIL])
_POINTS_PER_REPAIR: Final = 100

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A point that not every replica has, or not with the same payload."""

    id: str
    nodes: int
    """How many have it."""
    best: int
    """Index of the node whose version is kept."""


def differences(nodes: Sequence[Collection]) -> Iterator[list[Difference]]:
    """What the nodes do not agree on, in non-empty lists of bounded length."""
    suspects = _suspects(nodes)
    while some := list(islice(suspects, IDS_PER_CALL)):
        if found := list(_confirmed(nodes, some)):
            yield found


def write_again(
    collection: Collection, nodes: Sequence[Collection], found: Sequence[Difference], what: str
) -> None:
    """Write the version that is kept to all replicas, as it is on the node that has it."""
    for index, node in enumerate(nodes):
        ids = [difference.id for difference in found if difference.best == index]
        kept = node.retrieve(ids, vectors=True, per_call=_POINTS_PER_REPAIR)
        collection.upsert(
            (
                point(i, np.array(record.vector, dtype=np.float32), record.payload or {})
                for i, record in kept.items()
            ),
            what,
        )


def _suspects(nodes: Sequence[Collection]) -> Iterator[str]:
    """Ids that are not the same on all nodes at the first look, in order."""
    streams = [_stream(index, node) for index, node in enumerate(nodes)]
    together = merge(*streams, key=lambda seen: seen[0])
    for point_id, group in groupby(together, key=lambda seen: seen[0]):
        payloads = [payload for _, _, payload in group]
        if len(payloads) < len(nodes) or any(p != payloads[0] for p in payloads):
            yield point_id


def _stream(index: int, node: Collection) -> Iterator[tuple[str, int, Payload]]:
    for page in node.pages(None, payload=_COMPARED):
        for record in page:
            yield str(record.id), index, record.payload or {}


def _confirmed(nodes: Sequence[Collection], ids: Sequence[str]) -> Iterator[Difference]:
    seen = [node.retrieve(ids, payload=_COMPARED) for node in nodes]
    for point_id in ids:
        versions = [
            (index, records[point_id].payload or {})
            for index, records in enumerate(seen)
            if point_id in records
        ]
        payloads = [payload for _, payload in versions]
        if versions and (len(versions) < len(nodes) or any(p != payloads[0] for p in payloads)):
            yield Difference(point_id, nodes=len(versions), best=_best(versions))


def _best(versions: Iterable[tuple[int, Payload]]) -> int:
    """The latest change; of equals (heads have none) what most nodes have, then the first."""
    every = list(versions)
    payloads = [payload for _, payload in every]
    return max(every, key=lambda v: (v[1].get(CHANGED_AT, 0), payloads.count(v[1]), -v[0]))[0]
