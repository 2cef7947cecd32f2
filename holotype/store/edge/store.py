"""`EdgeStore`: the `VectorStore` port on Qdrant Edge, in this process."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO

from holotype.errors import FingerprintMismatch, StoreError
from holotype.fingerprint import Fingerprint
from holotype.history import DEFAULT_LIMITS, Limits
from holotype.references import MAX_META_KEYS
from holotype.store.edge.copying import write_backup
from holotype.store.edge.disk_space import KEEP_FREE, Room
from holotype.store.edge.idle_flush import QuietFlush
from holotype.store.edge.leases import EdgeLeases
from holotype.store.edge.points import EdgePoints
from holotype.store.edge.space import (
    Space,
    create_space,
    no_gallery,
    open_space,
    read_fingerprint,
)
from holotype.store.lock import OwnerLock
from holotype.store.owner import Owner
from holotype.store.store import Store


class EdgeStore(Store, EdgeLeases):
    """References and heads of one embedded gallery, owned until `close`.

    Safe for use by several threads. Not to be used in a forked process (`StoreError`).
    """

    shared = False

    def __init__(
        self,
        *,
        gallery: str,
        space: Space,
        lock: OwnerLock,
        room: Room,
        max_meta_keys: int = MAX_META_KEYS,
        history: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Put an open space and its lock together; commands use `open`."""
        Store.__init__(
            self,
            gallery,
            space.fingerprint,
            references=EdgePoints(space.references, room),
            heads=EdgePoints(space.heads, room),
            max_meta_keys=max_meta_keys,
            history=history,
        )
        EdgeLeases.__init__(self)
        self._flushing = [QuietFlush(space.references), QuietFlush(space.heads)]
        self._space = space
        self._room = room
        self._lock = lock

    @classmethod
    def open(
        cls,
        home: Path,
        gallery: str,
        *,
        fingerprint: Fingerprint | None,
        command: str,
        create: bool = False,
        url: str | None = None,
        keep_free: int = KEEP_FREE,
        max_meta_keys: int = MAX_META_KEYS,
        history: Limits = DEFAULT_LIMITS,
    ) -> EdgeStore:
        """Own and open a gallery.

        Args:
            home: holds a folder per gallery; made if need be where `create` is set.
            gallery: the gallery's name.
            fingerprint: the embedding space that this run makes vectors of; None: whatever
                is there, for work that embeds nothing.
            command: what this process is doing, for those whom the lock turns away.
            create: make the gallery if it is not there; takes a fingerprint.
            url: where this process serves, if it is a service.
            keep_free: bytes that stay free on the disk.
            max_meta_keys: metadata keys that the gallery may have.
            history: how much of the past is kept.

        Raises:
            GalleryMissing: it is not there, and was not to be (or could not be) made.
            StoreLocked: another process owns it.
            FingerprintMismatch: it holds vectors of another space.
            StoreError: the folder cannot be used, or its files are damaged.
        """
        try:
            return cls._open(
                home / gallery,
                fingerprint,
                Room(home / gallery, keep_free=keep_free),
                command=command,
                create=create,
                url=url,
                max_meta_keys=max_meta_keys,
                history=history,
            )
        except OSError as error:
            remedy = "choose a folder that can be written to with --home (HOLOTYPE_HOME)"
            if (
                error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
                and (home / gallery).is_dir()
            ):
                remedy = (
                    "the embedded engine writes where it reads. Ask through a service of somebody "
                    "who may write there (--server), or copy the folder to where you may and name "
                    "that with --home (HOLOTYPE_HOME)"
                )
            raise StoreError(
                f"cannot keep gallery {gallery!r} in {home} ({error}): {remedy}"
            ) from error

    @classmethod
    def _open(
        cls,
        folder: Path,
        fingerprint: Fingerprint | None,
        room: Room,
        *,
        command: str,
        create: bool,
        url: str | None,
        max_meta_keys: int,
        history: Limits,
    ) -> EdgeStore:
        if create and fingerprint is not None:
            folder.mkdir(parents=True, exist_ok=True)
        elif read_fingerprint(folder) is None:
            raise no_gallery(folder)
        room.keep_reserve()
        lock = OwnerLock.acquire(folder, command=command, url=url)
        try:
            space = _open_or_create(folder, fingerprint, room, create=create)
            return cls(
                gallery=folder.name,
                space=space,
                lock=lock,
                room=room,
                max_meta_keys=max_meta_keys,
                history=history,
            )
        except BaseException:  # whatever it is: not opened means not owned
            lock.release()
            raise

    @property
    def owner(self) -> Owner:
        """The record that this process left beside the lock."""
        return self._lock.owner

    def backup(self, file: BinaryIO) -> None:
        """See `VectorStore.backup`."""
        write_backup(file, self._gallery, self._space)

    def close(self) -> None:
        """See `VectorStore.close`. The lock goes back last, and whatever happens."""
        for flushing in self._flushing:
            flushing.stop()
        try:
            super().close()
            self._room.keep_reserve()
            self._space.close()
        finally:
            self._lock.release()


def _open_or_create(
    folder: Path, fingerprint: Fingerprint | None, room: Room, *, create: bool
) -> Space:
    stored = read_fingerprint(folder)
    if stored is None:
        if fingerprint is None or not create:
            raise no_gallery(folder)
        room.require()
        return create_space(folder, fingerprint)
    if fingerprint is not None and fingerprint != stored:
        raise FingerprintMismatch(folder.name, stored, fingerprint)
    return open_space(folder, stored)
