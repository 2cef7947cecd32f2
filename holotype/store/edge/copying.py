"""Backup and restore of an embedded gallery: its files, copied while nothing is written.

What is copied is what a close would leave behind: both shards are flushed, then writes wait
until the last file is read. Answers go on. The records of `holotype.store.edge.checksums` do not
travel: restoring opens the shards, looks at all that is in them, and makes new ones.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from holotype.errors import StoreDamaged, StoreError
from holotype.store import backup
from holotype.store.edge.disk_space import Room
from holotype.store.edge.shard import HEADS, REFERENCES
from holotype.store.edge.space import (
    GALLERY_FILE,
    Space,
    open_space,
    place_of,
    write_gallery,
)
from holotype.store.files import data_end, sync_folder, sync_tree
from holotype.store.lock import OwnerLock

_COUNTS: Final = "points"
_INCOMING: Final = "restoring"
_BLOCK: Final = 1 << 20


def write_backup(file: BinaryIO, gallery: str, space: Space) -> None:
    """Write the gallery as it is now; writes wait until that is done.

    Raises:
        OSError: the file cannot be written.
        StoreError: the engine cannot bring everything to the disk.
    """
    shards = {REFERENCES: space.references, HEADS: space.heads}
    with space.references.writes, space.heads.writes:
        space.flush()
        counts = {name: shard.points() for name, shard in shards.items()}
        about = backup.About(backup.EMBEDDED, gallery, space.fingerprint, more={_COUNTS: counts})
        with backup.writing(file, about) as writer:
            for name, shard in shards.items():
                for path in sorted(p for p in shard.folder.rglob("*") if p.is_file()):
                    with path.open("rb") as data:
                        writer.add(
                            f"{name}/{path.relative_to(shard.folder).as_posix()}",
                            data,
                            stored=_end(data.fileno()),
                            size=path.stat().st_size,
                        )


def restore_gallery(
    home: Path, gallery: str, file: BinaryIO, *, command: str, keep_free: int, replace: bool
) -> None:
    """See `holotype.store.factory.restore_store`.

    Nothing of a gallery that is there is touched before the backup has been unpacked, checked
    and opened.
    """
    folder = home / gallery
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = OwnerLock.acquire(folder, command=command)
        try:
            _refuse_to_replace(folder, replace=replace)
            Room(folder, keep_free=keep_free).require()
            _restore(folder, file)
        finally:
            lock.release()
    except OSError as error:
        raise StoreError(
            f"gallery {gallery!r} cannot be restored to {home} ({error}): what was there is as it "
            "was; see to the folder and its disk, then restore again"
        ) from error


def _refuse_to_replace(folder: Path, *, replace: bool) -> None:
    if (folder / GALLERY_FILE).exists() and not replace:
        raise StoreError(
            f"there is a gallery {folder.name!r} in {folder.parent}: restore under another name "
            "(--gallery), or over it with --replace, which loses it"
        )


def _restore(folder: Path, file: BinaryIO) -> None:
    incoming = folder / _INCOMING
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir()
    try:
        about = backup.extract(file, incoming, engine=backup.EMBEDDED)
        with open_space(incoming, about.fingerprint, place=incoming) as space:
            found = {REFERENCES: space.references.points(), HEADS: space.heads.points()}
        _compare(found, about)
        sync_tree(incoming)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    place = place_of(folder, about.fingerprint)
    # From here on it is only renamed: without its record the gallery does not exist meanwhile.
    (folder / GALLERY_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder / "spaces", ignore_errors=True)
    place.parent.mkdir(parents=True)
    incoming.rename(place)
    for changed in (place.parent, folder):
        sync_folder(changed)
    write_gallery(folder, about.fingerprint)


def _compare(found: Mapping[str, int], about: backup.About) -> None:
    if found != about.more[_COUNTS]:
        raise StoreDamaged(
            f"the backup holds {about.more[_COUNTS]} points, of which {found} can be read: "
            "take another one"
        )


def _end(descriptor: int) -> int:
    """Where nothing but zeros follows, allocated or not."""
    end = data_end(descriptor)
    while end:
        start = max(0, end - _BLOCK)
        block = os.pread(descriptor, end - start, start).rstrip(b"\0")
        if block:
            return start + len(block)
        end = start
    return 0
