"""The way to one gallery: a running service, or its store in this process; and its encoder.

A service owns an embedded store for as long as it runs. Whoever works on the gallery then goes
through it: it is found by the record beside the store's lock, or named with `--server`. Elsewhere
the store is opened here, and the encoder is loaded when the first picture needs it.

The three command lines and the service begin here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from holotype.encoder import load_encoder
from holotype.errors import FingerprintMismatch, GalleryMissing, UsageError
from holotype.fingerprint import Fingerprint
from holotype.gallery_encoder import Load, export_for, load_for, remember, require_same_encoder
from holotype.heads import ActiveHead, HeadRecord
from holotype.history import Action, Entry, Undoing
from holotype.references import EVERYTHING, Reference, VectorBatch, Where
from holotype.store.factory import open_store
from holotype.store.port import Page

if TYPE_CHECKING:
    from holotype.client import ServiceClient
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings
    from holotype.store.port import VectorStore


class AnyStore(Protocol):
    """What a store and a service both do. See `holotype.store.port.VectorStore`."""

    @property
    def gallery(self) -> str: ...  # noqa: D102  as in VectorStore
    @property
    def fingerprint(self) -> Fingerprint: ...  # noqa: D102
    def existing(self, ids: Sequence[str]) -> dict[str, str]: ...  # noqa: D102
    def get(self, ids: Sequence[str]) -> list[Reference]: ...  # noqa: D102
    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]: ...  # noqa: D102
    def counts(self, key: str = "label", *, where: Where = EVERYTHING) -> dict[str, int]: ...  # noqa: D102
    def count(self, *, where: Where = EVERYTHING) -> int: ...  # noqa: D102
    def export(  # noqa: D102
        self, *, where: Where = EVERYTHING, changed_until: int | None = None
    ) -> Iterator[VectorBatch]: ...
    def list_references(  # noqa: D102
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page: ...
    def relabel(  # noqa: D102
        self,
        label: str,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int: ...
    def regroup(  # noqa: D102
        self, group: str | None, *, ids: Iterable[str], action: Action | None = None
    ) -> int: ...
    def dismiss(self, marks: Mapping[str, str], *, action: Action | None = None) -> int: ...  # noqa: D102
    def remove(  # noqa: D102
        self,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int: ...
    def history(  # noqa: D102
        self,
        *,
        label: str | None = None,
        id: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> list[Entry]: ...
    def undo(  # noqa: D102
        self, action_id: str, *, action: Action | None = None, dry_run: bool = False
    ) -> Undoing: ...
    def heads(self) -> list[HeadRecord]: ...  # noqa: D102
    def active_head(self) -> ActiveHead | None: ...  # noqa: D102
    def backup(self, file: BinaryIO) -> None: ...  # noqa: D102


class Access:
    """The way to one gallery, open until it is closed. Safe for several threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        command: str,
        load: Load | None = None,
        here: bool = False,
        serves_at: str | None = None,
    ) -> None:
        """Find the service, or open the store. That there is no gallery yet is no error here.

        Args:
            settings: which gallery, and the encoder that it is to have.
            command: what this process is doing, for those whom its lock turns away.
            load: makes the encoder when it is needed; `load_encoder` unless given.
            here: open the store in any case: for work that no service does for others.
            serves_at: where this process serves, if it is a service itself.

        Raises:
            ServiceError, UsageError: see `connect`.
            StoreLocked: a process that is no service owns the embedded store.
            StoreError: the store cannot be opened.
        """
        self.settings = settings
        self.service = None if here else connect(settings)
        """What the gallery is reached through; None: the store is in this process."""
        self._command = command
        self._load = load
        self._serves_at = serves_at
        self._opening, self._loading = threading.Lock(), threading.Lock()
        self._store: VectorStore | None = None
        self._encoder: Encoder | None = None
        self._opened = ExitStack()
        if self.service is not None:
            self._opened.enter_context(self.service)
        else:
            with suppress(GalleryMissing):
                self._open_store(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; calling it twice is fine."""
        self._opened.close()

    @property
    def gallery(self) -> AnyStore:
        """The gallery, for work that embeds nothing.

        Raises:
            GalleryMissing: it does not exist yet.
        """
        return self.service or self.store

    @property
    def store(self) -> VectorStore:
        """The store in this process.

        Raises:
            GalleryMissing: the gallery does not exist yet.
        """
        with self._opening:
            return self._store or self._open_store(None)

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space of the gallery, wherever it is.

        Raises:
            GalleryMissing: it does not exist yet.
        """
        return (self.service or self.store).fingerprint

    def space(
        self,
        name: str | None,
        dimension: int | None = None,
        *,
        first: int | None = None,
        exported: Fingerprint | None = None,
    ) -> Fingerprint:
        """The space of vectors that come from elsewhere: as it was named, or the gallery's.

        Args:
            name: what the caller calls it; None: whatever the gallery holds.
            dimension: numbers of a vector; None: as many as the gallery's have.
            first: numbers of the first vector, for a gallery that is not there yet.
            exported: what an export says of its vectors: nothing else may be meant.

        Raises:
            FingerprintMismatch: the gallery holds something else.
            GalleryMissing: there is none yet that could say what was not given.
        """
        try:
            stored = self.fingerprint
        except GalleryMissing:
            if exported is not None:
                return exported
            dimension = dimension or first
            if name is None or dimension is None:
                raise GalleryMissing(
                    f"gallery {self.settings.gallery!r} does not exist yet: name the space of its "
                    "vectors (--space, or `space=` of `holotype.open`)"
                ) from None
            return Fingerprint.of_space(name, dimension)
        wanted = stored if name is None else Fingerprint.of_space(name, stored.dimension)
        wanted = exported or replace(wanted, dimension=dimension or wanted.dimension)
        if wanted != stored:
            raise FingerprintMismatch(self.gallery.gallery, stored, wanted)
        return stored

    def made_store(self, space: Fingerprint | None = None) -> VectorStore:
        """The store in this process; a gallery that does not exist is made.

        Args:
            space: of vectors that come from elsewhere; None: that of the encoder.

        Raises:
            EncoderError: the encoder is needed now, and cannot be loaded.
            StoreError: the gallery cannot be made.
        """
        try:
            return self.store
        except GalleryMissing:
            fingerprint = space or self.encoder().fingerprint
        with self._opening:
            store = self._store or self._open_store(fingerprint)
        if space is None:  # otherwise nothing was loaded
            remember(self.settings, fingerprint)
        return store

    def encoder(self) -> Encoder:
        """The gallery's encoder, loaded when it is first asked for.

        Of a gallery that is yet to be made it is the encoder of the settings; of a service's, one
        that makes the same vectors here.

        Raises:
            UsageError: the gallery holds vectors that come from elsewhere.
            EncoderMismatch, FingerprintMismatch: the store holds vectors of another one.
            EncoderError: it cannot be loaded.
        """
        with self._loading:
            if self._encoder is None:
                settings = self.settings
                if self.service is not None:
                    settings = settings.model_copy(update={"gallery": self.service.gallery})
                self._encoder = load_for(
                    settings, self._stored_fingerprint(), self._load or load_encoder
                )
            return self._encoder

    def export_encoder(self) -> None:
        """Have the encoder exported, if it was needed: in the background, so that it starts fast.

        See `holotype.encoder.exports`.
        """
        if self._encoder is not None:
            export_for(self.settings, self._encoder)

    def require_same_encoder(self) -> None:
        """Refuse settings that contradict the gallery's encoder, here or in the service.

        Raises:
            EncoderMismatch, UsageError: see `holotype.gallery_encoder.require_same_encoder`.
            GalleryMissing: there is no gallery yet.
        """
        holder = self.service or self.store
        require_same_encoder(
            self.settings,
            holder.fingerprint,
            gallery=holder.gallery,
            service=None if self.service is None else self.service.url,
        )

    def _stored_fingerprint(self) -> Fingerprint | None:
        try:
            return self.fingerprint
        except GalleryMissing:
            return None

    def _open_store(self, fingerprint: Fingerprint | None) -> VectorStore:
        """Open it; with a fingerprint, make it where it is missing."""
        self._store = open_store(
            self.settings,
            fingerprint=fingerprint,
            command=self._command,
            create=fingerprint is not None,
            url=self._serves_at,
        )
        self._opened.callback(self._store.close)
        return self._store


@contextmanager
def open_gallery(settings: Settings, *, command: str) -> Iterator[AnyStore]:
    """The gallery that these settings name, for work that embeds nothing.

    Raises:
        GalleryMissing: it does not exist yet.
        StoreError, ServiceError, UsageError: see `Access`.
    """
    with Access(settings, command=command) as access:
        yield access.gallery


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
    with ExitStack() as on_error:
        on_error.callback(client.close)
        if "gallery" in settings.model_fields_set and client.gallery != settings.gallery:
            raise UsageError(
                f"the service at {client.url} serves gallery {client.gallery!r}, "
                f"not {settings.gallery!r}: leave out --gallery or --server"
            )
        on_error.pop_all()
    return client
