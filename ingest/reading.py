"""The first stages: bytes of files and their hashes, no byte read twice without need.

A file that has not changed since it was hashed is not read. Where the files so far were all
known, the next ones are expected to be known too and are hashed without keeping their bytes
(a third of the time of hashing 100 kB goes into fresh memory); the few that turn out to be
new are then read again, and must be the same.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path

from holotype.errors import BrokenImage
from holotype.images.files import read_file
from holotype.intake import steps
from holotype.intake.in_flight import InFlight
from holotype.intake.incoming import Incoming
from holotype.outcomes import Outcome
from ingest.backend import Backend, Chunks
from ingest.known_files.hash_file import hash_file, new_buffer
from ingest.known_files.interface import Hashes

NEW_FILES, KNOWN_FILES = 64, 256
"""Files that must be read in a chunk, where they are expected to be new (few enough to report
soon) and where they are expected to be known."""

CHUNK_BYTES = 64 * 2**20
"""Bytes of such files in a chunk. At most three chunks hold their bytes at any time, four
where an accelerator waits for decoders."""

LOOK_FILES = 1024
"""Files that are looked up at a time while none is expected to be new."""

SLICE = 32
"""Files that a thread hashes at a time, at most; handing them over costs half of hashing
100 kB."""
PARTS = 8
"""Into which a chunk is cut at least, so that threads end together."""


_VERDICT = attrgetter("verdict")


class Reader:
    """Hashes and asks, in the order of the files."""

    def __init__(
        self, found: Iterable[Incoming], backend: Backend, in_flight: InFlight, hashes: Hashes
    ) -> None:
        """Ask this backend; `in_flight` is shared with the stage that settles."""
        self._backend = backend
        self._in_flight = in_flight
        self._hashes = hashes
        self._groups = self._looked_up(found)
        self._expects_new = True
        self.is_through = False
        """No file is left for `hash`."""

    def certain(self) -> Iterator[list[Incoming]]:
        """The first files, as long as each has its verdict: there is nothing left to do.

        So a known folder that has not changed needs no stages and no threads.
        """
        for group in self._groups:
            if not all(map(_VERDICT, group)):
                self._groups = chain([group], self._groups)
                return
            self._expects_new = False
            yield group
        self.is_through = True

    def hash(self, pool: ThreadPoolExecutor) -> Chunks:
        """Every other file with its hash, or with a verdict: it cannot be read, or need not be."""
        for group in self._groups:
            for chunk in self._chunks(group):
                unread = [item for item in chunk if _is_unread(item)]
                if unread:
                    self._read(unread, pool)
                yield chunk

    def ask(self, chunks: Chunks, pool: ThreadPoolExecutor) -> Chunks:
        """Every file with the answer whether it is new; new ones with their bytes."""
        with closing(chunks):
            for chunk in chunks:
                steps.ask(chunk, self._backend.known, self._in_flight)
                new = [item for item in chunk if item.needs_work]
                self._expects_new = bool(new)
                if new:
                    list(pool.map(self._fetch, [item for item in new if item.data is None]))
                yield chunk

    def _looked_up(self, found: Iterable[Incoming]) -> Iterator[list[Incoming]]:
        files = iter(found)
        while group := list(islice(files, NEW_FILES if self._expects_new else LOOK_FILES)):
            for item in group:
                if item.status is None and item.file is not None:
                    _look_at(item, item.file)
            refused = any(map(_VERDICT, group))
            self._hashes.look_up([i for i in group if not i.verdict] if refused else group)
            yield group

    def _chunks(self, items: list[Incoming]) -> Iterator[list[Incoming]]:
        """The same files, cut so that no chunk has too much that must be read."""
        most = NEW_FILES if self._expects_new else KNOWN_FILES
        start = files = size = 0
        for end, item in enumerate(items, start=1):
            if not _is_unread(item):
                continue
            files += 1
            size += item.status.st_size if item.status is not None else len(item.data or b"")
            if files == most or size >= CHUNK_BYTES:
                yield items[start:end]
                start, files, size = end, 0, 0
        if start < len(items):
            yield items[start:]

    def _read(self, items: list[Incoming], pool: ThreadPoolExecutor) -> None:
        read = _read_and_hash if self._expects_new else _hash
        size = min(SLICE, -(-len(items) // PARTS))
        list(pool.map(read, [items[n : n + size] for n in range(0, len(items), size)]))
        self._hashes.remember(items)

    def _fetch(self, item: Incoming) -> None:
        """The bytes of a file whose hash is known: they must still be those."""
        _read(item)
        if item.data is not None and hashlib.sha256(item.data).hexdigest() != item.sha256:
            self._hashes.forget(item)
            item.end(Outcome.FAILED, "it changed while it was being added: add it again")


def _is_unread(item: Incoming) -> bool:
    return item.id is None and item.verdict is None


def _look_at(item: Incoming, file: str) -> None:
    item.looked_ns = time.time_ns()
    with suppress(OSError):  # it is gone: reading it gives the reason
        item.status = Path(file).stat()


def _read_and_hash(items: list[Incoming]) -> None:
    """Keep the bytes, which will be decoded."""
    for item in items:
        _read(item)
        steps.identify(item)


def _hash(items: list[Incoming]) -> None:
    """Keep nothing of a file but its hash."""
    buffer = new_buffer()
    for item in items:
        if item.file is None:
            steps.identify(item)
            continue
        try:
            item.identify(hash_file(item.file, buffer))
        except BrokenImage as error:
            item.end(Outcome.BROKEN, error.reason)


def _read(item: Incoming) -> None:
    if item.file is None:
        return
    try:
        item.data = read_file(Path(item.file))
    except BrokenImage as error:
        item.end(Outcome.BROKEN, error.reason)
