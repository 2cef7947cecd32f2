"""The one place that chooses an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holotype.fingerprint import Fingerprint
from holotype.store.port import VectorStore

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
        max_meta_keys=settings.max_meta_keys,
    )
