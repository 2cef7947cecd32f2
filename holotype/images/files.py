"""Reading picture files, and saying why one cannot be read."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from holotype.errors import BrokenImage

MAX_FILE_BYTES = 2**30
"""Larger than any picture of `MAX_PIXELS`, 16-bit RGBA without compression included."""


def read_file(path: Path) -> bytes:
    """The bytes of a picture file.

    Raises:
        BrokenImage: it cannot be read, with a short reason.
    """
    try:
        status = path.stat()
        if status.st_size > MAX_FILE_BYTES:
            gib = status.st_size / 2**30
            raise BrokenImage(f"too large: {gib:.1f} GiB, at most 1 GiB is read")
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise BrokenImage("a pipe, socket or device, not a file")  # reading could wait forever
        return path.read_bytes()
    except IsADirectoryError as error:
        raise BrokenImage(_folder_reason(path)) from error
    except OSError as error:
        raise BrokenImage(reason_of(path, error)) from error


def reason_of(path: os.PathLike[str], error: OSError) -> str:
    """Why a file cannot be read, for people."""
    if isinstance(error, FileNotFoundError):
        is_link = os.path.islink(path)  # noqa: PTH114  never raises
        return "a link to nothing" if is_link else "the file does not exist"
    if isinstance(error, PermissionError):
        return "permission denied"
    if error.errno == errno.ELOOP:
        return "a link that leads back to itself"
    return f"cannot be read: {error.strerror or error}"


def listing_reason(error: OSError) -> str:
    """Why a folder cannot be gone through, for people."""
    return f"a folder that cannot be listed: {(error.strerror or str(error)).lower()}"


def _folder_reason(path: Path) -> str:
    try:
        os.scandir(path).close()
    except OSError as error:
        return listing_reason(error)
    return "a folder, not a file"
