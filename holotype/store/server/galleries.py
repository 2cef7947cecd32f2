"""Galleries as collections: `<gallery>--<fingerprint id>`, an alias, and a heads' collection.

    pollen                     alias of the active space
    pollen--3f2a90c1b7de       references: Cosine, D
    pollen--3f2a90c1b7de--heads  heads and leases: Dot, D + 1

The full fingerprint is in the metadata of the references' collection, so that opening a
gallery by its alias alone tells the space.

Creating goes: heads' collection, references' collection, indexes, alias. The alias comes
last, so a gallery that can be found is complete; a creation that was cut off is finished by
the next one. Two creators of the same space meet in the same collections. Of two that create
one gallery in *different* spaces, the later alias wins and the other is told by
`FingerprintMismatch`: each looks at the alias again after setting it (the server has no
conditional alias, so one whose look falls before the other's write is told on its next start).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from qdrant_client import QdrantClient
from qdrant_client.http import models

from holotype.errors import FingerprintMismatch, StoreError
from holotype.fingerprint import Fingerprint
from holotype.store.head_payload import KIND, VERSION
from holotype.store.missing import gallery_missing
from holotype.store.payload import CHANGED_AT, KEYWORD_KEYS
from holotype.store.server.collection import KEYWORD, Allowance, Collection
from holotype.store.server.errors import AlreadyThere, shown_url
from holotype.store.server.retries import Calls

METADATA_KEY = "holotype"

REFERENCE_INDEXES: Mapping[str, models.PayloadSchemaType] = {
    **dict.fromkeys(KEYWORD_KEYS, KEYWORD),
    CHANGED_AT: models.PayloadSchemaType.INTEGER,
}
# Leases are changed under a condition on these; a server in strict mode demands the indexes.
HEAD_INDEXES: Mapping[str, models.PayloadSchemaType] = {
    KIND: KEYWORD,
    VERSION: KEYWORD,
    "holder": KEYWORD,
    "expires_at": models.PayloadSchemaType.FLOAT,
}


@dataclass(frozen=True, slots=True)
class Sharding:
    """How the collections of a new gallery are spread over a cluster."""

    shards: int = 1
    replicas: int = 1

    @property
    def write_factor(self) -> int:
        """How many replicas must have a write before it is acknowledged.

        More than half of three or more: with one node away, whatever was acknowledged is on two
        disks. Of two, one: with more, a node that is away stops every write, and a write that is
        refused stays on the other node alone, which the server never mends. One that falls
        behind is marked and filled up again instead.
        """
        return 1 if self.replicas <= 2 else self.replicas // 2 + 1


@dataclass(frozen=True, slots=True)
class Galleries:
    """Finds and makes the collections of one gallery."""

    client: QdrantClient
    calls: Calls
    sharding: Sharding = Sharding()

    def open(self, fingerprint: Fingerprint | None, *, create: bool) -> Fingerprint:
        """The gallery's space, complete with its indexes.

        Raises:
            GalleryMissing: there is none, and it should not or cannot be created.
            FingerprintMismatch: it is another space than `fingerprint`.
        """
        stored = self.find()
        if stored is None:
            if fingerprint is None or not create:
                raise gallery_missing(self.calls.gallery, self._others())
            self._create(fingerprint)
            stored = self.find() or fingerprint
        if fingerprint is not None and stored != fingerprint:
            raise FingerprintMismatch(self.calls.gallery, stored, fingerprint)
        return stored

    def collection(self, name: str) -> Collection:
        """An existing collection, to be asked for what its configuration allows."""
        info = self.calls("reading its limits", lambda: self.client.get_collection(name))
        return Collection(self.client, self.calls, name, Allowance.of(info))

    def make(self, fingerprint: Fingerprint) -> None:
        """Both collections with their indexes; nobody finds them before `name`."""
        references = references_collection(self.calls.gallery, fingerprint)
        heads = heads_collection(self.calls.gallery, fingerprint)
        D = fingerprint.dimension
        self._make(heads, models.VectorParams(size=D + 1, distance=models.Distance.DOT), {}, 1)
        self._make(
            references,
            models.VectorParams(size=D, distance=models.Distance.COSINE),
            {METADATA_KEY: {"gallery": self.calls.gallery, "fingerprint": fingerprint.to_dict()}},
            self.sharding.shards,
        )
        for name, indexes in ((heads, HEAD_INDEXES), (references, REFERENCE_INDEXES)):
            made = Collection(self.client, self.calls, name)
            for key, schema in indexes.items():
                made.index(key, schema)

    def name(self, fingerprint: Fingerprint) -> None:
        """Let the alias of the gallery point to this space."""
        self._point_alias(references_collection(self.calls.gallery, fingerprint))

    def find(self) -> Fingerprint | None:
        """The space that the gallery is in; None where there is no such gallery."""
        gallery = self.calls.gallery
        if not self.calls("looking for it", lambda: self.client.collection_exists(gallery)):
            return None
        info = self.calls("opening it", lambda: self.client.get_collection(gallery))
        ours = (info.config.metadata or {}).get(METADATA_KEY)
        if not isinstance(ours, Mapping):
            raise StoreError(
                f"Qdrant at {shown_url(self.calls.url)} has a collection {gallery!r} that is not "
                "a Holotype gallery: name another gallery (HOLOTYPE_GALLERY)"
            )
        return _fingerprint_from(ours, gallery)

    def _others(self) -> list[str]:
        """Galleries that the server has; none where it does not say."""
        with suppress(StoreError):
            found = self.calls("listing galleries", self.client.get_aliases).aliases
            return [
                a.alias_name for a in found if a.collection_name.startswith(f"{a.alias_name}--")
            ]
        return []

    def drop(self, fingerprint: Fingerprint) -> None:
        """Remove both collections of a space, with all that is in them, and their alias."""
        for collection in (
            references_collection(self.calls.gallery, fingerprint),
            heads_collection(self.calls.gallery, fingerprint),
        ):
            self.calls(
                f"removing collection {collection!r}",
                partial(self.client.delete_collection, collection),
            )

    def _create(self, fingerprint: Fingerprint) -> None:
        self.make(fingerprint)
        self.name(fingerprint)

    def _make(
        self, name: str, vectors: models.VectorParams, metadata: dict[str, Any], shards: int
    ) -> None:
        try:
            self.calls(
                f"creating collection {name!r}",
                lambda: (
                    self._exists(name)
                    or self.client.create_collection(
                        name,
                        vectors_config=vectors,
                        shard_number=shards,
                        replication_factor=self.sharding.replicas,
                        write_consistency_factor=self.sharding.write_factor,
                        metadata=metadata or None,
                    )
                ),
            )
        except AlreadyThere:
            # Another creator, or our own first try whose answer was lost. The name holds the
            # fingerprint's hash, so it is the same space.
            return

    def _exists(self, name: str) -> bool:
        return self.client.collection_exists(name)

    def _point_alias(self, collection: str) -> None:
        alias = models.CreateAlias(collection_name=collection, alias_name=self.calls.gallery)
        self.calls(
            "naming it",
            lambda: self.client.update_collection_aliases(
                [models.CreateAliasOperation(create_alias=alias)]
            ),
        )


def references_collection(gallery: str, fingerprint: Fingerprint) -> str:
    """Name of the collection that holds the references."""
    return f"{gallery}--{fingerprint.id}"


def heads_collection(gallery: str, fingerprint: Fingerprint) -> str:
    """Name of the collection that holds heads and leases."""
    return f"{references_collection(gallery, fingerprint)}--heads"


def _fingerprint_from(metadata: Mapping[str, Any], gallery: str) -> Fingerprint:
    try:
        return Fingerprint.from_dict(metadata["fingerprint"])
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"gallery {gallery!r} was made by another version of Holotype ({error}): use that "
            "version, or name a new gallery (HOLOTYPE_GALLERY) and add the images to it"
        ) from error
