"""The one place that chooses an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from holotype.errors import GalleryMissing
from holotype.fingerprint import Fingerprint
from holotype.store.port import VectorStore, Verification

if TYPE_CHECKING:
    from holotype.settings import Settings


def open_store(
    settings: Settings,
    *,
    fingerprint: Fingerprint | None,
    command: str,
    create: bool = False,
    url: str | None = None,
) -> VectorStore:
    """Open the gallery that the settings name, in the engine that they name.

    Args:
        settings: `qdrant_url` chooses a server, otherwise the embedded store under `home`.
        fingerprint: the embedding space of this run; None: whatever is there, for work
            that embeds nothing.
        command: what this process is doing (`ingest add`), for those whom its lock turns away.
        create: make the gallery if it is not there; takes a fingerprint.
        url: where this process serves, if it is a service.

    Raises:
        GalleryMissing: it is not there, and was not to be (or could not be) made.
        StoreLocked: another process owns the embedded store.
        StoreUnavailable: the server does not answer.
        FingerprintMismatch: the gallery holds vectors of another space.
    """
    # Engines are imported only when a store is opened: `--help` must not pay for them.
    if settings.qdrant_url is not None:
        from holotype.store.server import ServerStore

        return ServerStore.open(settings, fingerprint=fingerprint, create=create)
    from holotype.store.edge.store import EdgeStore

    return EdgeStore.open(
        settings.home,
        settings.gallery,
        fingerprint=fingerprint,
        command=command,
        create=create,
        url=url,
        keep_free=settings.min_free_mb << 20,
        max_meta_keys=settings.max_meta_keys,
        history=settings.history,
    )


def stored_fingerprint(settings: Settings) -> Fingerprint | None:
    """The gallery's, read without owning it; None where there is no gallery yet.

    Raises:
        StoreUnavailable: the server does not answer.
        StoreError: what the gallery says of itself is damaged.
    """
    if settings.qdrant_url is not None:
        try:
            with open_store(settings, fingerprint=None, command="") as store:
                return store.fingerprint
        except GalleryMissing:
            return None
    from holotype.store.edge.space import read_fingerprint

    return read_fingerprint(settings.home / settings.gallery)


def verify_store(settings: Settings, *, repair: bool, command: str) -> Verification:
    """`VectorStore.verify`, of a gallery that may be too damaged to be opened.

    Raises:
        GalleryMissing, StoreLocked, StoreUnavailable: see `open_store`.
        StoreError: it cannot be read at all; the message says what to do.
    """
    if settings.qdrant_url is not None:
        with open_store(settings, fingerprint=None, command=command) as store:
            return store.verify(repair=repair)
    from holotype.store.edge.repair import verify_gallery

    return verify_gallery(
        settings.home,
        settings.gallery,
        repair=repair,
        command=command,
        keep_free=settings.min_free_mb << 20,
    )


def restore_store(
    settings: Settings, file: BinaryIO, *, command: str, replace: bool = False
) -> None:
    """Make the gallery that the settings name of a backup.

    Args:
        settings: the engine, and the name that the gallery gets.
        file: what `VectorStore.backup` wrote.
        command: see `open_store`.
        replace: a gallery of that name may be there, and is lost; otherwise that is an error.

    Raises:
        StoreError: the file is damaged, is of the other engine, or there is such a gallery.
        StoreLocked, StoreUnavailable: see `open_store`.
    """
    if settings.qdrant_url is not None:
        from holotype.store.server.snapshots import restore_server

        restore_server(settings, file, replace=replace)
        return
    from holotype.store.edge.copying import restore_gallery

    restore_gallery(
        settings.home,
        settings.gallery,
        file,
        command=command,
        keep_free=settings.min_free_mb << 20,
        replace=replace,
    )
