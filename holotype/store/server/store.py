"""`ServerStore`: the `VectorStore` port on a Qdrant server, over REST or gRPC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Self

from qdrant_client import QdrantClient

from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, Lease, StoredHead
from holotype.references import (
    EVERYTHING,
    EmbeddedReference,
    Neighbour,
    Reference,
    VectorBatch,
    Vectors,
    Where,
)
from holotype.settings import Settings
from holotype.store.port import GalleryState, Page, Verification
from holotype.store.server.connect import check_version, connect
from holotype.store.server.galleries import (
    Galleries,
    Layout,
    heads_collection,
    references_collection,
)
from holotype.store.server.heads import ServerHeads
from holotype.store.server.references import ServerReferences
from holotype.store.server.retries import FIRST_CONTACT, Calls, RetryPolicy, keep_stdout_clean
from holotype.store.server.snapshots import write_backup
from holotype.store.server.verify import verify_replicas
from holotype.store.watchers import Change, Watcher, Watchers


class ServerStore:
    """One gallery on a server. Safe to use from several threads, as the client is."""

    def __init__(
        self, client: QdrantClient, calls: Calls, fingerprint: Fingerprint, settings: Settings
    ) -> None:
        """Work on collections that exist; `open` sees to that."""
        self._client = client
        self._settings = settings
        self._gallery = calls.gallery
        self._fingerprint = fingerprint
        # By their own names, not by the alias: should the alias move to another space, this
        # store stays with the vectors that its encoder's can be compared with.
        galleries = Galleries(client, calls)
        references = galleries.collection(references_collection(calls.gallery, fingerprint))
        heads = galleries.collection(heads_collection(calls.gallery, fingerprint))
        D = fingerprint.dimension
        self._collections = {"reference": references, "point of the heads": heads}
        self._references = ServerReferences(
            references, galleries, dimension=D, max_meta_keys=settings.max_meta_keys
        )
        self._heads = ServerHeads(heads, dimension=D)
        self._watchers = Watchers()

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
        layout = Layout(shards=settings.qdrant_shards, replicas=settings.qdrant_replicas)
        stored = Galleries(client, opening, layout).open(fingerprint, create=create)
        working = Calls(url, settings.gallery, later.with_time_for(settings.qdrant_timeout))
        return cls(client, working, stored, settings)

    @property
    def gallery(self) -> str:
        """The gallery's name."""
        return self._gallery

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space, as stored with the gallery."""
        return self._fingerprint

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; every write has been acknowledged already."""
        self._watchers.tell(Change.CLOSING)
        self._client.close()

    @property
    def shared(self) -> bool:
        """See `VectorStore.shared`."""
        return True

    def watch(self, watcher: Watcher) -> None:
        """See `VectorStore.watch`."""
        self._references.keep_counts()
        self._watchers.add(watcher)

    @contextmanager
    def _telling(self, change: Change) -> Iterator[None]:
        """Tell of it afterwards, of a write that failed half-way too."""
        try:
            yield
        finally:
            self._watchers.tell(change)

    # -- references -----------------------------------------------------------------

    def add(self, references: Sequence[EmbeddedReference]) -> None:
        """See `VectorStore.add`."""
        with self._telling(Change.REFERENCES):
            self._references.add(references)

    def existing(self, ids: Sequence[str]) -> dict[str, str]:
        """See `VectorStore.existing`."""
        return self._references.existing(ids)

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """See `VectorStore.get`."""
        return self._references.get(ids)

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        """See `VectorStore.thumbnails`."""
        return self._references.thumbnails(ids)

    def neighbours(
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]:
        """See `VectorStore.neighbours`."""
        return self._references.neighbours(vectors, k=k, where=where, with_vectors=with_vectors)

    def export(
        self,
        *,
        where: Where = EVERYTHING,
        batch_size: int = 4096,
        changed_after: int | None = None,
        changed_until: int | None = None,
    ) -> Iterator[VectorBatch]:
        """See `VectorStore.export`."""
        return self._references.export(
            where=where,
            batch_size=batch_size,
            changed_after=changed_after,
            changed_until=changed_until,
        )

    def list_references(
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page:
        """See `VectorStore.list_references`."""
        return self._references.list_references(where=where, limit=limit, after=after)

    def counts(
        self,
        key: str = "label",
        *,
        where: Where = EVERYTHING,
        changed_after: int | None = None,
    ) -> dict[str, int]:
        """See `VectorStore.counts`."""
        return self._references.counts(key, where=where, changed_after=changed_after)

    def known_counts(self) -> dict[str, int]:
        """See `VectorStore.known_counts`."""
        return self._references.known_counts()

    def count(self, *, where: Where = EVERYTHING, changed_after: int | None = None) -> int:
        """See `VectorStore.count`."""
        return self._references.count(where=where, changed_after=changed_after)

    def state(self) -> GalleryState:
        """See `VectorStore.state`."""
        return self._references.state()

    def last_change(self) -> int:
        """See `VectorStore.last_change`."""
        return self._references.last_change()

    def filter_keys(self) -> list[str]:
        """See `VectorStore.filter_keys`."""
        return self._references.filter_keys()

    def relabel(self, label: str, *, ids: Iterable[str] = (), where: Where = EVERYTHING) -> int:
        """See `VectorStore.relabel`."""
        with self._telling(Change.REFERENCES):
            return self._references.relabel(label, ids=ids, where=where)

    def remove(self, *, ids: Iterable[str] = (), where: Where = EVERYTHING) -> int:
        """See `VectorStore.remove`."""
        with self._telling(Change.REFERENCES):
            return self._references.remove(ids=ids, where=where)

    # -- heads ----------------------------------------------------------------------

    def save_head(self, head: StoredHead) -> None:
        """See `VectorStore.save_head`."""
        self._heads.save_head(head)

    def heads(self) -> list[HeadRecord]:
        """See `VectorStore.heads`."""
        return self._heads.heads()

    def load_head(self, version: str) -> StoredHead:
        """See `VectorStore.load_head`."""
        return self._heads.load_head(version)

    def remove_head(self, version: str) -> None:
        """See `VectorStore.remove_head`."""
        self._heads.remove_head(version)

    def active_head(self) -> ActiveHead | None:
        """See `VectorStore.active_head`."""
        return self._heads.active_head()

    def set_active_head(self, active: ActiveHead) -> None:
        """See `VectorStore.set_active_head`."""
        with self._telling(Change.ACTIVE_HEAD):
            self._heads.set_active_head(active)

    # -- leases ---------------------------------------------------------------------

    def acquire_lease(self, name: str, *, holder: str, seconds: float) -> Lease:
        """See `VectorStore.acquire_lease`."""
        return self._heads.acquire_lease(name, holder=holder, seconds=seconds)

    def release_lease(self, name: str, *, holder: str) -> None:
        """See `VectorStore.release_lease`."""
        self._heads.release_lease(name, holder=holder)

    # -- keeping --------------------------------------------------------------------

    def verify(self, *, repair: bool = False) -> Verification:
        """See `VectorStore.verify`. Replicas are compared, and mended, before anything else."""
        differing = verify_replicas(self._collections, self._settings, repair=repair)
        references, wrong = self._references.verify(repair=repair)
        heads, torn = self._heads.verify(repair=repair)
        return Verification(references, heads, [*differing, *wrong, *torn])

    def backup(self, file: BinaryIO) -> None:
        """See `VectorStore.backup`. Each shard is of one moment, one after another."""
        write_backup(file, self._settings, self._fingerprint, list(self._collections.values()))
