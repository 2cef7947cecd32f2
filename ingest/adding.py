"""`ingest add` as a function."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing

from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict
from ingest.backend import Backend
from ingest.known_files.interface import Hashes, NoHashes
from ingest.pipeline import outcomes
from ingest.summary import Summary


def _ignore(_outcome: FileOutcome) -> None:
    """Nobody listens."""


def _no_progress(_files: int) -> None:
    """Nobody watches."""


def add(
    found: Iterable[Incoming],
    backend: Backend,
    *,
    on_conflict: OnConflict = OnConflict.ERROR,
    max_failures: int | None = None,
    workers: int | None = None,
    hashes: Hashes | None = None,
    listen: Callable[[FileOutcome], None] = _ignore,
    advance: Callable[[int], None] = _no_progress,
    summary: Summary | None = None,
) -> Summary:
    """Add every picture that is found to the gallery behind `backend`.

    Args:
        found: from `holotype.intake.folders` or `holotype.intake.manifest`.
        backend: where they go.
        on_conflict: what to do with a picture that is present under another label.
        max_failures: files that may fail; one more, and the run is given up.
        workers: threads that read and hash; None: the number of cores.
        hashes: of files that need not be read (`ingest.known_files.cache`); None: read every file.
        listen: told every outcome as soon as it is certain, in the order of the files.
        advance: told how many more files have their outcome, some at a time.
        summary: filled as the run goes, for callers who want it after an error as well.

    Raises:
        HolotypeError: the run cannot go on; what `listen` was told stays true.
    """
    stream = outcomes(
        found,
        backend,
        policy=on_conflict,
        workers=workers or os.cpu_count() or 1,
        hashes=hashes or NoHashes(),
    )
    return follow(
        stream,
        max_failures=max_failures,
        listen=listen,
        advance=advance,
        summary=summary if summary is not None else Summary(),
    )


def follow(
    stream: Generator[list[FileOutcome], None, None],
    *,
    max_failures: int | None,
    listen: Callable[[FileOutcome], None],
    advance: Callable[[int], None],
    summary: Summary,
) -> Summary:
    """Count outcomes as they come, until there are no more or too many failures; see `add`."""
    started = time.monotonic()
    with closing(stream):
        for some in stream:
            for outcome in some:
                summary.count(outcome)
                listen(outcome)
                if max_failures is not None and summary.failures > max_failures:
                    summary.stopped = f"more than {max_failures} files failed (--max-failures)"
                    break
            summary.seconds = time.monotonic() - started
            advance(len(some))
            if summary.stopped is not None:
                break
    return summary
