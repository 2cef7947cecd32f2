"""The way of every file: find -> hash -> ask -> (decode -> embed -> write) -> settle.

Files go along in chunks, in the order in which they were found. What is in brackets is the
backend's; stages run at the same time, each at most a chunk or a batch ahead of the next,
so memory is bounded by the chunk, not by the folder.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from holotype.intake import steps
from holotype.intake.in_flight import InFlight
from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict
from ingest.backend import Backend, Chunks
from ingest.flow import background
from ingest.known_files.interface import Hashes
from ingest.reading import Reader


def outcomes(
    found: Iterable[Incoming],
    backend: Backend,
    *,
    policy: OnConflict,
    workers: int,
    hashes: Hashes,
) -> Generator[list[FileOutcome], None, None]:
    """Every file's outcome, some at a time, in the order in which files were found.

    Raises:
        HolotypeError: the run cannot go on. What was yielded as added stays added.
    """
    in_flight = InFlight()
    # A run that may relabel could change what it was just about to trust: it asks.
    trusting = policy is not OnConflict.REPLACE
    hashes.begin(backend.state() if trusting else None)
    reader = Reader(found, backend, in_flight, hashes)
    for chunk in reader.certain():
        yield [item.report() for item in chunk]
    if not reader.is_through:
        with closing(_through_stages(reader, backend, workers=workers)) as done:
            for chunk in done:
                settled = steps.settle(chunk, backend.relabel, in_flight, policy)
                hashes.settled(chunk)
                yield settled
    hashes.end(backend.state() if trusting else None)


def _through_stages(reader: Reader, backend: Backend, *, workers: int) -> Chunks:
    with ThreadPoolExecutor(workers, "read") as pool:
        hashed = background(reader.hash(pool), ahead=1, name="hash")
        with closing(backend.add(reader.ask(hashed, pool))) as done:
            yield from done
