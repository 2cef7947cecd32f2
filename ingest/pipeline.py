"""The way of every file: find -> hash -> ask -> (decode -> embed -> write) -> settle.

Files go along in chunks, in the order in which they were found. What is in brackets is the
backend's; stages run at the same time, each at most a chunk or a batch ahead of the next,
so memory is bounded by the chunk, not by the folder.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from holotype.errors import BrokenImage
from holotype.images.files import read_file
from holotype.intake import steps
from holotype.intake.in_flight import InFlight
from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from ingest.backend import Backend, Chunks
from ingest.flow import background

CHUNK_FILES = 64
"""Files in a chunk: enough to keep every core busy, few enough to report soon."""

CHUNK_BYTES = 64 * 2**20
"""Bytes of files in a chunk. At most three chunks hold their bytes at any time."""


def outcomes(
    found: Iterable[Incoming], backend: Backend, *, policy: OnConflict, workers: int
) -> Generator[FileOutcome, None, None]:
    """Every file's outcome, in the order in which files were found.

    Raises:
        HolotypeError: the run cannot go on. What was yielded as added stays added.
    """
    in_flight = InFlight()
    hashed = background(_hash(_chunks(found), workers), ahead=1, name="hash")
    asked = _ask(hashed, backend, in_flight)
    done = backend.add(asked, in_flight)
    with closing(done):
        for chunk in done:
            yield from steps.settle(chunk, backend.relabel, in_flight, policy)


def _chunks(found: Iterable[Incoming]) -> Chunks:
    chunk: list[Incoming] = []
    size = 0
    for item in found:
        chunk.append(item)
        size += _size(item)
        if len(chunk) == CHUNK_FILES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _hash(chunks: Chunks, workers: int) -> Chunks:
    with ThreadPoolExecutor(workers, "hash") as pool, closing(chunks):
        for chunk in chunks:
            list(pool.map(_read_and_hash, chunk))
            yield chunk


def _ask(chunks: Chunks, backend: Backend, in_flight: InFlight) -> Chunks:
    with closing(chunks):
        for chunk in chunks:
            steps.ask(chunk, backend.known, in_flight)
            yield chunk


def _read_and_hash(item: Incoming) -> None:
    """The only time that a file is read; a known one goes no further than this."""
    if item.verdict is None and item.path is not None:
        try:
            item.data = read_file(item.path)
        except BrokenImage as error:
            item.end(Outcome.BROKEN, error.reason)
    steps.identify(item)


def _size(item: Incoming) -> int:
    """Bytes of the file; 0 for one that is gone, which the next stage reports."""
    if item.path is None:
        return len(item.data or b"")
    try:
        return item.path.stat().st_size
    except OSError:
        return 0
