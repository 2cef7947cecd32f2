"""Large answers: made as a file first, so that no client delays a write."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from fastapi.responses import StreamingResponse

from holotype.errors import DiskFull, StoreError

TAR: Final = "application/x-tar"

_BLOCK: Final = 1 << 20


def download(
    write: Callable[[BinaryIO], None], *, what: str, beside: Path, media_type: str
) -> StreamingResponse:
    """An answer that is a file; it is gone when it has been read.

    Args:
        write: writes it.
        what: it is, for people.
        beside: a folder on a disk with room for it, if it is there.
        media_type: of the answer.

    Raises:
        DiskFull: there is no room.
        StoreError: it cannot be written; or what `write` raises.
    """
    folder = beside if beside.is_dir() else None
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by `_blocks`
        try:
            write(file)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        kind = DiskFull if error.errno == errno.ENOSPC else StoreError
        raise kind(
            f"the {what} cannot be copied to {folder or tempfile.gettempdir()} ({error}): it takes "
            "as much room there as the gallery; free some"
        ) from error
    headers = {"Content-Length": str(file.tell())}
    return StreamingResponse(_blocks(file), media_type=media_type, headers=headers)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block
