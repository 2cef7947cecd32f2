"""`ServerStore`: the `VectorStore` port on a Qdrant server, over REST or gRPC."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO, Self

from qdrant_client import QdrantClient

from holotype.fingerprint import Fingerprint
from holotype.settings import Settings
from holotype.store.port import Verification
from holotype.store.server.connect import check_version, connect
from holotype.store.server.galleries import (
    Galleries,
    Sharding,
    heads_collection,
    references_collection,
)
from holotype.store.server.leases import ServerLeases
from holotype.store.server.replicas import verify_replicas
from holotype.store.server.retries import FIRST_CONTACT, Calls, RetryPolicy, keep_stdout_clean
from holotype.store.server.snapshots import write_backup
from holotype.store.store import Store


class ServerStore(Store, ServerLeases):
    """One gallery on a server. Safe to use from several threads, as the client is."""

    shared = True

    def __init__(
        self, client: QdrantClient, calls: Calls, fingerprint: Fingerprint, settings: Settings
    ) -> None:
        """Work on collections that exist; `open` sees to that."""
        self._client = client
        self._settings = settings
        # By their own names, not by the alias: should the alias move to another space, this
        # store stays with the vectors that its encoder's can be compared with.
        galleries = Galleries(client, calls)
        references = galleries.collection(references_collection(calls.gallery, fingerprint))
        heads = galleries.collection(heads_collection(calls.gallery, fingerprint))
        Store.__init__(
            self,
            calls.gallery,
            fingerprint,
            references=references,
            heads=heads,
            max_meta_keys=settings.max_meta_keys,
            history=settings.history,
        )
        ServerLeases.__init__(self, heads, columns=fingerprint.dimension + 1)
        self._collections = {"reference": references, "point of the heads": heads}

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        fingerprint: Fingerprint | None,
        create: bool,
        policy: RetryPolicy | None = None,
    ) -> Self:
        """Connect to `settings.qdrant_url` and open the gallery there.

        Args:
            settings: address, key, protocol, time limit, gallery, and the layout of a new one.
            fingerprint: the space that the caller's vectors are in; None: whatever is there.
            create: make the gallery where it does not exist (takes a fingerprint).
            policy: how calls are repeated; None: briefly at first contact, patiently afterwards.

        Raises:
            StoreUnavailable: the server does not answer or refuses the key.
            GalleryMissing: there is no such gallery, and it was not to be made.
            FingerprintMismatch: the gallery is in another space.
            UsageError: the URL is not one.
        """
        keep_stdout_clean()
        client = connect(settings)
        try:
            return cls.open_with(
                client, settings, fingerprint=fingerprint, create=create, policy=policy
            )
        except BaseException:
            client.close()
            raise

    @classmethod
    def open_with(
        cls,
        client: QdrantClient,
        settings: Settings,
        *,
        fingerprint: Fingerprint | None,
        create: bool,
        policy: RetryPolicy | None = None,
    ) -> Self:
        """Same with a client at hand; closing the store closes it."""
        url = settings.qdrant_url or ""
        first, later = policy or FIRST_CONTACT, policy or RetryPolicy()
        opening = Calls(url, settings.gallery, first.with_time_for(settings.qdrant_timeout))
        check_version(client, opening)
        sharding = Sharding(shards=settings.qdrant_shards, replicas=settings.qdrant_replicas)
        stored = Galleries(client, opening, sharding).open(fingerprint, create=create)
        working = Calls(url, settings.gallery, later.with_time_for(settings.qdrant_timeout))
        return cls(client, working, stored, settings)

    def close(self) -> None:
        """See `VectorStore.close`; every write has been acknowledged already."""
        super().close()
        self._client.close()

    def verify(self, *, repair: bool = False) -> Verification:
        """See `VectorStore.verify`. Replicas are compared, and mended, before anything else."""
        differing = verify_replicas(self._collections, self._settings, repair=repair)
        found = super().verify(repair=repair)
        return replace(found, damages=[*differing, *found.damages])

    def backup(self, file: BinaryIO) -> None:
        """See `VectorStore.backup`. Each shard is of one moment, one after another."""
        write_backup(file, self._settings, self._fingerprint, list(self._collections.values()))
