"""The nodes of a cluster, each asked for what it has itself.

A read that names no consistency is answered by the replica of the node that was asked. So what
each replica has is learned by asking every node, and no node tells it of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit, urlunsplit

from qdrant_client import QdrantClient

from holotype.settings import Settings
from holotype.store.server.connect import REST_PORT, connect
from holotype.store.server.retries import FIRST_CONTACT, Calls

Node = tuple[QdrantClient, Calls]
"""A client of one node, with its calls, which name it."""


@contextmanager
def each_node(settings: Settings, client: QdrantClient, calls: Calls) -> Iterator[list[Node]]:
    """A client of every node.

    `settings.qdrant_nodes` says where they are; otherwise the server that `client` is of is
    asked. Nothing is sent to them yet.
    """
    if settings.qdrant_nodes:
        urls = [url.strip() for url in settings.qdrant_nodes.split(",") if url.strip()]
    else:
        status = calls("asking for the nodes", client.cluster_status)
        peers = (peer.uri for peer in getattr(status, "peers", {}).values())
        urls = node_urls(calls.url, peers)
    with ExitStack() as opened:
        nodes = []
        for url in urls:
            # Their gRPC ports are not known, and how clusters and snapshots are told is REST.
            asked = settings.model_copy(update={"qdrant_url": url, "qdrant_grpc": False})
            node = opened.enter_context(closing(connect(asked)))
            nodes.append((node, Calls(url, settings.gallery, FIRST_CONTACT)))
        yield nodes


def node_urls(url: str, peers: Iterable[str]) -> list[str]:
    """Where clients reach the nodes: on their own hosts, at the port of the one that is known.

    Args:
        url: of the server that is set.
        peers: `http://host:6335/`, the addresses for each other.
    """
    known = urlsplit(url)
    port = known.port or REST_PORT
    hosts = sorted({urlsplit(peer).hostname or "" for peer in peers})
    if len(hosts) < 2:
        return [url]
    return [urlunsplit((known.scheme, f"{_bracketed(host)}:{port}", "", "", "")) for host in hosts]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
