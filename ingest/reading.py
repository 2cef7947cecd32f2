"""The first stages: bytes of files and their hashes, no byte read twice without need.

A file that has not changed since it was hashed is not read. Where the files so far were all
known, the next ones are expected to be known too and are hashed without keeping their bytes
(a third of the time of hashing 100 kB goes into fresh memory); the few that turn out to be
new are then read again, and must be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

from holotype.errors import BrokenImage
from holotype.images.files import read_file
from holotype.intake import steps
from holotype.intake.in_flight import InFlight
from holotype.intake.incoming import FileStamp, Incoming
from holotype.outcomes import Outcome
from ingest.backend import Backend, Chunks
from ingest.hash_cache import Hashes

CHUNK_FILES = 64
"""Files in a chunk: enough to keep every core busy, few enough to report soon."""

CHUNK_BYTES = 64 * 2**20
"""Bytes of files in a chunk. At most three chunks hold their bytes at any time."""

SLICE = 8
"""Files that a thread hashes at a time: handing one over costs a fifth of hashing 100 kB."""


class Reader:
    """Hashes and asks, in the order of the files."""

    def __init__(self, backend: Backend, in_flight: InFlight, hashes: Hashes) -> None:
        """Ask this backend; `in_flight` is shared with the stage that settles."""
        self._backend = backend
        self._in_flight = in_flight
        self._hashes = hashes
        self._expects_new = True

    def hash(self, found: Iterable[Incoming], pool: ThreadPoolExecutor) -> Chunks:
        """Every file with its hash, or with the verdict that it cannot be read."""
        for chunk in _chunks(found):
            waiting = [item for item in chunk if item.verdict is None]
            self._hashes.look_up(waiting)
            unread = [item for item in waiting if item.sha256 is None]
            read = partial(_read_and_hash, keep=self._expects_new)
            list(pool.map(read, [unread[n : n + SLICE] for n in range(0, len(unread), SLICE)]))
            self._hashes.remember(unread)
            yield chunk

    def ask(self, chunks: Chunks, pool: ThreadPoolExecutor) -> Chunks:
        """Every file with the answer whether it is new; new ones with their bytes."""
        with closing(chunks):
            for chunk in chunks:
                steps.ask(chunk, self._backend.known, self._in_flight)
                new = [item for item in chunk if item.needs_work]
                self._expects_new = bool(new)
                list(pool.map(self._fetch, [item for item in new if item.data is None]))
                yield chunk

    def _fetch(self, item: Incoming) -> None:
        """The bytes of a file whose hash is known: they must still be those."""
        _read(item)
        if item.data is not None and hashlib.sha256(item.data).hexdigest() != item.sha256:
            self._hashes.forget(item)
            item.end(Outcome.FAILED, "it changed while it was being added: add it again")


def _chunks(found: Iterable[Incoming]) -> Chunks:
    chunk: list[Incoming] = []
    size = 0
    for item in found:
        chunk.append(item)
        size += _look_at(item)
        if len(chunk) == CHUNK_FILES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _look_at(item: Incoming) -> int:
    """Bytes of the file; 0 for one that is gone, which the next stage reports."""
    if item.path is None:
        return len(item.data or b"")
    try:
        item.stamp = FileStamp.of(item.path)
    except OSError:
        return 0
    return item.stamp.size


def _read_and_hash(items: list[Incoming], *, keep: bool) -> None:
    for item in items:
        _read(item)
        steps.identify(item)
        if not keep and item.path is not None:
            item.data = None


def _read(item: Incoming) -> None:
    if item.path is None:
        return
    try:
        item.data = read_file(item.path)
    except BrokenImage as error:
        item.end(Outcome.BROKEN, error.reason)
