"""Nodes of a cluster that hold a replica each, and can be away.

What it does was seen on three nodes of a real server (1.18), killed and started again:

- A write reaches every node that is up. With fewer than the write consistency factor it is
  refused, and stays where it arrived, for good. Otherwise the nodes that missed it are behind:
  nothing is read from them, and they are filled up when they are back.
- A condition on a write is applied by each node to what it has.
- `ordering=strong` means the highest node, and fails while that one is away.
- A read that names no consistency is answered by the node that was asked. `all` and `majority`
  ask every replica and fail if one is silent; `quorum` asks half of them and one more; a number
  asks so many. What the answers do not agree on is left out of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from qdrant_client.http import models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.holotype.store.memory_qdrant import MemoryQdrant

Kind = models.ReadConsistencyType


class Cluster:
    """Some nodes; clients talk to `nodes[0]`, the last one is the highest."""

    def __init__(self, nodes: int) -> None:
        self.away: set[int] = set()
        self.behind: set[int] = set()
        self.factor: dict[str, int] = {}
        """Write consistency factor by collection."""
        self.nodes = [Node(self, number) for number in range(nodes)]

    def back(self) -> None:
        """Every node is up again, and filled up where the server knows that it is behind."""
        self.away.clear()
        for number in self.behind:
            node = self.nodes[number]
            node.fill_up_from(self.nodes[0], [c.name for c in node.get_collections().collections])
        self.behind.clear()

    def write(
        self, collection: str, to: Callable[[Node], Any], ordering: models.WriteOrdering | None
    ) -> Any:
        """One write, on every node that is up."""
        highest = len(self.nodes) - 1
        if ordering == models.WriteOrdering.STRONG and highest in self.away:
            raise _failed(f"Failed to apply update via leader peer {highest}")
        done = [to(node) for node in self.nodes if node.number not in self.away]
        if len(done) < min(self.factor.get(collection, 1), len(self.nodes)):
            raise _failed(f"{len(self.away)} out of {len(self.nodes)} shards failed to apply")
        self.behind |= self.away
        return done[0]

    def answering(self, consistency: Any, asked: Node) -> list[Node]:
        """The nodes whose answers a read takes, the one that was asked first."""
        every = len(self.nodes)
        needed = {Kind.ALL: every, Kind.MAJORITY: every, Kind.QUORUM: every // 2 + 1, None: 1}.get(
            consistency, consistency
        )
        others = [node for node in self.nodes if node is not asked]
        up = [n for n in (asked, *others) if n.number not in self.away | self.behind]
        if len(up) < min(needed, every):
            raise _failed(f"{every - len(up)} of {every} read operations failed")
        return up[:needed]


class Node(MemoryQdrant):
    """One node: a client of it is a client of the cluster."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        super().__init__()
        self.cluster = cluster
        self.number = number

    def create_collection(self, collection_name: str, **options: Any) -> Any:
        """On every node."""
        self.cluster.factor[collection_name] = options.get("write_consistency_factor") or 1
        return self._everywhere("create_collection", collection_name, **options)

    def create_payload_index(self, collection_name: str, *args: Any, **options: Any) -> Any:
        """On every node."""
        return self._everywhere("create_payload_index", collection_name, *args, **options)

    def update_collection_aliases(self, operations: Any, **options: Any) -> Any:
        """On every node."""
        return self._everywhere("update_collection_aliases", operations, **options)

    def upsert(self, collection_name: str, points: Any, **options: Any) -> Any:
        """On every node that is up."""
        return self._everywhere("upsert", collection_name, points, **options)

    def set_payload(self, collection_name: str, payload: Any, points: Any, **options: Any) -> Any:
        """On every node that is up."""
        return self._everywhere("set_payload", collection_name, payload, points, **options)

    def delete(self, collection_name: str, points_selector: Any, **options: Any) -> Any:
        """On every node that is up."""
        return self._everywhere("delete", collection_name, points_selector, **options)

    def retrieve(self, collection_name: str, ids: Any, **options: Any) -> list[models.Record]:
        """What the answers of as many nodes as `consistency` asks for agree on."""
        nodes = self.cluster.answering(options.pop("consistency", None), self)
        first, *others = [node.own("retrieve", collection_name, ids, **options) for node in nodes]
        return [record for record in first if all(record in answer for answer in others)]

    def get_collection(self, collection_name: str, **options: Any) -> models.CollectionInfo:
        """With the number of replicas."""
        info = super().get_collection(collection_name, **options)
        info.config.params.replication_factor = len(self.cluster.nodes)
        return info

    def own(self, method: str, *args: Any, **options: Any) -> Any:
        """Do something here alone."""
        return getattr(super(), method)(*args, **options)

    def fill_up_from(self, other: Node, collections: list[str]) -> None:
        """Hold what another node holds."""
        for collection in collections:
            everything = models.FilterSelector(filter=models.Filter())
            self.own("delete", collection, everything)
            points = [
                models.PointStruct(id=r.id, vector=r.vector, payload=r.payload)
                for r in other.all_points(collection)
            ]
            self.own("upsert", collection, points)

    def _everywhere(self, method: str, name: Any, *args: Any, **options: Any) -> Any:
        return self.cluster.write(
            name if isinstance(name, str) else "",
            lambda node: node.own(method, name, *args, **options),
            options.pop("ordering", None),
        )


def _failed(message: str) -> UnexpectedResponse:
    body = json.dumps({"status": {"error": f"Service internal error: {message}"}})
    return UnexpectedResponse(500, "Internal Server Error", body.encode(), httpx.Headers())
