"""An open gallery to a backend: where pictures go, and when the encoder is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from holotype.access import Access
from holotype.errors import GalleryMissing, StoreError
from holotype.gallery_encoder import Load
from ingest.dry_run import DryBackend
from ingest.local import LocalBackend

if TYPE_CHECKING:
    from holotype.settings import Settings
    from ingest.backend import Backend


@contextmanager
def open_backend(
    settings: Settings, *, command: str, load: Load | None = None
) -> Iterator[Backend]:
    """The gallery that the settings name, open for adding (see `Access` and `backend_of`)."""
    with Access(settings, command=command, load=load) as access:
        yield backend_of(access)


def backend_of(access: Access) -> Backend:
    """Where pictures go: through the service, or into the store, which is made where it is missing.

    Loading an encoder takes seconds, so it comes with the first new picture. Its fingerprint is
    compared then, before anything is embedded; options that contradict the gallery are refused at
    once.

    Raises:
        UsageError: the gallery holds vectors that come from elsewhere.
        EncoderMismatch: see `Access.require_same_encoder`.
        FingerprintMismatch: the gallery holds vectors of another space.
        EncoderError: the encoder is needed now, and cannot be loaded.
        StoreError: the gallery cannot be made.
    """
    if access.service is not None:
        from ingest.remote import RemoteBackend

        access.require_same_encoder()
        return RemoteBackend(access.service)
    settings, store = access.settings, access.made_store()
    access.require_same_encoder()
    return LocalBackend(
        store,
        access.encoder,
        workers=worker_count(settings),
        owned=settings.qdrant_url is None,
    )


def dry_backend_of(access: Access) -> Backend:
    """The same for a dry run, which makes and embeds nothing.

    The encoder is loaded where a real run would load it, and what would be refused then is
    refused here.

    Raises:
        StoreError, EncoderError: as for `backend_of`; or the gallery could not be made.
    """
    settings, service = access.settings, access.service
    workers = worker_count(settings)
    if service is not None:
        access.require_same_encoder()
        return DryBackend(service, lambda: None, workers=workers, limits=service.limits)
    try:
        store = access.store
    except GalleryMissing:
        recipe = access.encoder().recipe
        if settings.qdrant_url is None:
            _check_can_be_made(settings)
        return DryBackend(None, lambda: recipe, workers=workers)
    access.require_same_encoder()
    return DryBackend(store, lambda: access.encoder().recipe, workers=workers)


def _check_can_be_made(settings: Settings) -> None:
    folder = settings.home / settings.gallery
    above = next(path for path in folder.absolute().parents if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise StoreError(
            f"cannot keep gallery {settings.gallery!r} in {settings.home}: {above} is no folder "
            "that can be written to. Choose another one with --home (HOLOTYPE_HOME)"
        )


def hash_file(settings: Settings) -> Path:
    """Where the hashes of files are kept between runs."""
    return settings.home / settings.gallery / "files.sqlite"


def worker_count(settings: Settings) -> int:
    """Decoding threads."""
    return settings.workers or os.cpu_count() or 1
