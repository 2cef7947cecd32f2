"""The hash of a file whose bytes nobody needs."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from holotype.images.files import MAX_FILE_BYTES, read_file

_BUFFER_BYTES = 256 * 1024


def new_buffer() -> bytearray:
    """What `hash_file` reads into: one serves for many files, one after the other."""
    return bytearray(_BUFFER_BYTES)


def hash_file(file: str, buffer: bytearray) -> str:
    """Hex sha256 of a picture file, read piece by piece: fresh memory costs a third of the time.

    Raises:
        BrokenImage: it cannot be read, with a short reason.
    """
    try:
        # Opening a pipe without O_NONBLOCK would wait for somebody to write into it.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return _plainly(file)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
            return _hash_all(descriptor, buffer)
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return _plainly(file)


def _hash_all(descriptor: int, buffer: bytearray) -> str:
    view = memoryview(buffer)
    digest = hashlib.sha256()
    while count := os.readv(descriptor, [view]):
        digest.update(view[:count])
    return digest.hexdigest()


def _plainly(file: str) -> str:
    """What is wrong is said by who reads pictures; it may also be well again."""
    return hashlib.sha256(read_file(Path(file))).hexdigest()
