"""Settings to backend: which store, and when the encoder is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from holotype.encoder import load_encoder
from holotype.errors import GalleryMissing, StoreError
from holotype.gallery import connect
from holotype.settings import Pooling, Settings
from holotype.store.factory import open_store
from ingest.dry import DryBackend
from ingest.local import LocalBackend

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.fingerprint import Fingerprint
    from ingest.backend import Backend

Load = Callable[[Settings], "Encoder"]


@contextmanager
def open_backend(
    settings: Settings, *, command: str, load: Load = load_encoder
) -> Iterator[Backend]:
    """The gallery that the settings name, open for adding; made where it is missing.

    Loading an encoder takes seconds, so an existing gallery is opened without one, and the
    encoder comes with the first new picture. Its fingerprint is compared then, before
    anything is embedded; or at once where the settings cannot be those of the gallery.

    Where a service owns the gallery, or one is named, the pictures go through it.

    Raises:
        StoreLocked: another process owns the embedded store.
        FingerprintMismatch: the gallery holds vectors of another space.
        EncoderError: the encoder is needed now, and cannot be loaded.
        ServiceError: the service does not answer.
    """
    service = connect(settings)
    if service is not None:
        from ingest.remote import RemoteBackend

        with service:
            yield RemoteBackend(service)
        return
    try:
        store = open_store(settings, fingerprint=None, command=command)
    except GalleryMissing:
        encoder = load(settings)
        store = open_store(settings, fingerprint=encoder.fingerprint, command=command, create=True)
        load = lambda _settings: encoder  # noqa: E731  it is loaded already
    with store:
        backend = LocalBackend(
            store,
            lambda: load(settings),
            workers=worker_count(settings),
            owned=settings.qdrant_url is None,
        )
        if _looks_different(settings, store.fingerprint):
            backend.ready_encoder()
        yield backend


@contextmanager
def open_dry(settings: Settings, *, command: str, load: Load = load_encoder) -> Iterator[Backend]:
    """The gallery that the settings name for a dry run, which makes and embeds nothing.

    The encoder is loaded where a real run would load it, and what would be refused then is
    refused here.

    Raises:
        StoreError: as for `open_backend`; or the gallery could not be made.
        EncoderError, ServiceError: as for `open_backend`.
    """
    workers = worker_count(settings)
    service = connect(settings)
    if service is not None:
        with service:
            yield DryBackend(service, lambda: None, workers=workers, limits=service.limits)
        return
    try:
        store = open_store(settings, fingerprint=None, command=command)
    except GalleryMissing:
        encoder = load(settings)
        if settings.qdrant_url is None:
            _check_can_be_made(settings)
        yield DryBackend(None, lambda: encoder.recipe, workers=workers)
        return
    with store:
        backend = LocalBackend(store, lambda: load(settings), workers=workers)
        if _looks_different(settings, store.fingerprint):
            backend.ready_encoder()
        yield DryBackend(store, lambda: backend.ready_encoder().recipe, workers=workers)


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


def _looks_different(settings: Settings, stored: Fingerprint) -> bool:
    """Whether what can be told without the encoder speaks against this gallery.

    Only a hint to load it early: a name can be spelt in more than one way.
    """
    architecture = settings.backbone.partition(".")[0]
    pooling = {Pooling.CLS: ("cls", "default")}.get(settings.pooling, (settings.pooling.value,))
    return (
        architecture != stored.backbone
        or settings.image_size not in {None, stored.image_size}
        or stored.pooling not in pooling
    )
