"""A backup on its way to a client: made as a file first, so that no client delays a write."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from holotype.errors import DiskFull, StoreError
from holotype.store.port import VectorStore

COPY_TYPE: Final = "application/x-tar"

_BLOCK: Final = 1 << 20


def copy_of(store: VectorStore, *, beside: Path) -> tuple[int, Iterator[bytes]]:
    """A backup's size, and its bytes; the file behind it is gone when they have been read.

    Args:
        store: what is backed up.
        beside: a folder on a disk with room for it, if it is there.

    Raises:
        DiskFull: there is no room.
        StoreError: the store cannot be backed up.
    """
    folder = beside if beside.is_dir() else None
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by `_blocks`
        try:
            store.backup(file)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        kind = DiskFull if error.errno == errno.ENOSPC else StoreError
        raise kind(
            f"the backup cannot be copied to {folder or tempfile.gettempdir()} ({error}): it takes "
            "as much room there as the gallery; free some"
        ) from error
    return file.tell(), _blocks(file)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block
