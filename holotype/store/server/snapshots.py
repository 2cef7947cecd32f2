"""Backup and restore by Qdrant's own snapshots: one file a shard, of one moment each.

A node makes snapshots of the shards that it has itself, so each shard is asked of a node that
has it. The server makes a file, which is read into the backup and removed. Answers and writes
go on meanwhile. The files travel by REST, whatever the other calls go by.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx
from qdrant_client import QdrantClient
from qdrant_client.http import models

from holotype.errors import StoreError, StoreUnavailable
from holotype.fingerprint import Fingerprint
from holotype.settings import Settings
from holotype.store import backup
from holotype.store.server.collection import Collection
from holotype.store.server.connect import check_version, connect
from holotype.store.server.errors import shown_url
from holotype.store.server.galleries import (
    Galleries,
    Sharding,
    heads_collection,
    references_collection,
)
from holotype.store.server.nodes import Node, each_node
from holotype.store.server.retries import FIRST_CONTACT, Calls, keep_stdout_clean

_PATIENCE: Final = httpx.Timeout(30.0, read=3600.0, write=3600.0)
"""A snapshot of a large shard takes minutes before its first byte comes."""

_SHARDS, _KEYS = "shards", "keys"
_REFERENCES, _HEADS = "references", "heads"


def write_backup(
    file: BinaryIO, settings: Settings, fingerprint: Fingerprint, collections: Sequence[Collection]
) -> None:
    """Write every shard of the gallery's two collections, and what they are made anew with.

    Args:
        file: gets the backup (see `holotype.store.backup`).
        settings: of the store.
        fingerprint: the gallery's space.
        collections: references, heads.

    Raises:
        StoreUnavailable: no node that has some shard can be reached.
        StoreError: the server refuses.
        OSError: the file cannot be written.
    """
    named = dict(zip((_REFERENCES, _HEADS), collections, strict=True))
    first = named[_REFERENCES]
    indexed = first.indexed_keys()
    with each_node(settings, first.client, first.calls) as nodes:
        places = {what: _places(collection.name, nodes) for what, collection in named.items()}
        about = backup.About(
            backup.SERVER,
            settings.gallery,
            fingerprint,
            more={_SHARDS: len(places[_REFERENCES]), _KEYS: sorted(indexed)},
        )
        with backup.writing(file, about) as writer:
            for what, shards in places.items():
                for shard, url in sorted(shards.items()):
                    place = _Shard(settings, url, named[what].name, shard)
                    with place.snapshot() as (data, size):
                        writer.add(f"{what}/{shard}", data, stored=size)


def restore_server(settings: Settings, file: BinaryIO, *, replace: bool) -> None:
    """See `holotype.store.factory.restore_store`.

    The whole backup is unpacked and checked first. The alias comes last: a gallery that can be
    found is whole.
    """
    keep_stdout_clean()
    with tempfile.TemporaryDirectory(prefix="holotype-restore-") as unpacked:
        about = backup.extract(file, Path(unpacked), engine=backup.SERVER)
        client = connect(settings)
        try:
            _restore(client, settings, about, Path(unpacked), replace=replace)
        finally:
            client.close()


def _restore(
    client: QdrantClient, settings: Settings, about: backup.About, folder: Path, *, replace: bool
) -> None:
    calls = Calls(settings.qdrant_url or "", settings.gallery, FIRST_CONTACT)
    check_version(client, calls)
    sharding = Sharding(shards=int(about.more[_SHARDS]), replicas=settings.qdrant_replicas)
    galleries = Galleries(client, calls, sharding)
    there = galleries.find()
    if there is not None and not replace:
        raise StoreError(
            f"there is a gallery {settings.gallery!r} at {shown_url(calls.url)}: restore under "
            "another name (--gallery), or over it with --replace, which loses it"
        )
    if there is not None:
        galleries.drop(there)
    galleries.drop(about.fingerprint)  # what a restoring that was cut off has left
    galleries.make(about.fingerprint)
    named = {
        _REFERENCES: references_collection(settings.gallery, about.fingerprint),
        _HEADS: heads_collection(settings.gallery, about.fingerprint),
    }
    for key in about.more[_KEYS]:
        if key.startswith("meta."):
            Collection(client, calls, named[_REFERENCES]).index(key)
    with each_node(settings, client, calls) as nodes:
        for what, collection in named.items():
            for shard, url in _places(collection, nodes).items():
                _Shard(settings, url, collection, shard).recover(folder / what / str(shard))
    galleries.name(about.fingerprint)


def _places(collection: str, nodes: Sequence[Node]) -> dict[int, str]:
    """URL of a node that has each shard of a collection.

    Raises:
        StoreUnavailable: there is none that can be reached.
    """
    places: dict[int, str] = {}
    total = 0
    for client, calls in nodes:
        with suppress(StoreUnavailable):  # another one may have what this one has
            info = calls(
                "asking where shards are", partial(client.collection_cluster_info, collection)
            )
            total = info.shard_count
            for shard in info.local_shards:
                if shard.state == models.ReplicaState.ACTIVE:
                    places.setdefault(shard.shard_id, calls.url)
    if not total or len(places) < total:
        raise StoreUnavailable(
            f"no node that has all of collection {collection!r} can be reached ({len(places)} of "
            f"{total} shards): HOLOTYPE_QDRANT_NODES takes the addresses of all nodes, with commas "
            "between them"
        )
    return places


@dataclass(frozen=True, slots=True)
class _Shard:
    """One shard on the node that has it."""

    settings: Settings
    url: str
    collection: str
    shard: int

    @contextmanager
    def snapshot(self) -> Iterator[tuple[BinaryIO, int]]:
        """A snapshot of this moment: its bytes and how many; it is removed from the server."""
        with self._client() as client:
            made = self._checked(client.post("snapshots", params={"wait": "true"})).json()["result"]
            try:
                with client.stream("GET", f"snapshots/{made['name']}") as answer:
                    self._checked(answer)
                    yield BufferedReader(_Stream(answer.iter_bytes())), int(made["size"])
            except httpx.HTTPError as error:
                raise self._failed(error) from error
            finally:
                with suppress(httpx.HTTPError):  # a left-over file is no reason to fail
                    client.delete(f"snapshots/{made['name']}", params={"wait": "true"})

    def recover(self, path: Path) -> None:
        """Take over a snapshot; the other replicas of this shard follow."""
        with self._client() as client, path.open("rb") as data:
            try:
                self._checked(
                    client.post(
                        "snapshots/upload",
                        params={"wait": "true", "priority": "snapshot"},
                        files={"snapshot": data},
                    )
                )
            except httpx.HTTPError as error:
                raise self._failed(error) from error

    def _client(self) -> httpx.Client:
        key = self.settings.qdrant_api_key
        base = f"{self.url.rstrip('/')}/collections/{self.collection}/shards/{self.shard}/"
        headers = {"accept-encoding": "identity"}
        if key:
            headers["api-key"] = key.get_secret_value()
        return httpx.Client(base_url=base, headers=headers, timeout=_PATIENCE)

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        detail = answer.read()[:300].decode(errors="replace")
        raise StoreError(
            f"Qdrant at {shown_url(self.url)} refuses a snapshot of shard {self.shard} of "
            f"{self.collection} ({answer.status_code}): {detail}"
        )

    def _failed(self, error: httpx.HTTPError) -> StoreError:
        return StoreUnavailable(
            f"Qdrant at {shown_url(self.url)} broke off a snapshot of shard {self.shard} of "
            f"{self.collection} ({type(error).__name__}: {error}): start again"
        )


class _Stream(RawIOBase):
    """What comes in as a file that can be read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while not self._rest and (block := next(self._blocks, None)) is not None:
            self._rest = block
        size = min(len(view), len(self._rest))
        view[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
