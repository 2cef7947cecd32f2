"""The gallery that a command works on: a store that it opens, or a running service.

A service owns an embedded store for as long as it runs. Commands then go through it: it is
found by the record beside the store's lock, or named with `--server`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol

from holotype.errors import UsageError
from holotype.heads import ActiveHead, HeadRecord
from holotype.references import EVERYTHING, Where
from holotype.store.port import Page

if TYPE_CHECKING:
    from holotype.client import ServiceClient
    from holotype.settings import Settings


class Gallery(Protocol):
    """What a store and a service both do. See `holotype.store.port.VectorStore`."""

    @property
    def gallery(self) -> str: ...  # noqa: D102  as in VectorStore
    def __enter__(self) -> Gallery: ...
    def __exit__(self, *_: object) -> None: ...
    def existing(self, ids: Sequence[str]) -> dict[str, str]: ...  # noqa: D102
    def counts(self, key: str = "label", *, where: Where = EVERYTHING) -> dict[str, int]: ...  # noqa: D102
    def count(self, *, where: Where = EVERYTHING) -> int: ...  # noqa: D102
    def list_references(  # noqa: D102
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page: ...
    def relabel(  # noqa: D102
        self, label: str, *, ids: Iterable[str] = (), where: Where = EVERYTHING
    ) -> int: ...
    def remove(self, *, ids: Iterable[str] = (), where: Where = EVERYTHING) -> int: ...  # noqa: D102
    def heads(self) -> list[HeadRecord]: ...  # noqa: D102
    def active_head(self) -> ActiveHead | None: ...  # noqa: D102
    def backup(self, file: BinaryIO) -> None: ...  # noqa: D102


def find_service(settings: Settings) -> str | None:
    """Where the service is that these settings lead to; None: open the store.

    That is the one named with `--server`, or else the one that owns the embedded gallery.
    """
    if settings.server is not None:
        return settings.server
    if settings.qdrant_url is not None:
        return None
    from holotype.store.lock import read_owner

    owner = read_owner(settings.home, settings.gallery)
    return None if owner is None else owner.url


def connect(settings: Settings) -> ServiceClient | None:
    """A client of the service that these settings lead to; None: open the store.

    Raises:
        ServiceError: a service was named or found, and does not answer.
        UsageError: it serves another gallery than the one that was asked for.
    """
    url = find_service(settings)
    if url is None:
        return None
    from holotype.client import ServiceClient

    key = settings.api_key
    client = ServiceClient(
        url,
        api_key=None if key is None else key.get_secret_value(),
        answer_s=settings.server_timeout,
    )
    if "gallery" in settings.model_fields_set and client.gallery != settings.gallery:
        raise UsageError(
            f"the service at {client.url} serves gallery {client.gallery!r}, "
            f"not {settings.gallery!r}: leave out --gallery or --server"
        )
    return client


def open_gallery(settings: Settings, *, command: str) -> Gallery:
    """The gallery that these settings name, for work that embeds nothing.

    Raises:
        GalleryMissing: it does not exist yet.
        StoreLocked: a process that is no service owns the embedded store.
        ServiceError, UsageError: see `connect`.
    """
    client = connect(settings)
    if client is not None:
        return client
    from holotype.store.factory import open_store

    return open_store(settings, fingerprint=None, command=command)
