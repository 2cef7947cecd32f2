"""From what stands on the command line to pictures, in order, with bounded memory."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from holotype.errors import BrokenImage, UsageError
from holotype.images.files import read_file
from holotype.images.finding import LeftOut, Unreadable, find_runs
from holotype.images.picture import Picture, read_picture
from holotype.references import reference_id

if TYPE_CHECKING:
    from holotype.images.recipe import Recipe

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a query's bytes come from."""

    name: str
    read: Callable[[], bytes]
    """Raises BrokenImage where there is nothing to read."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read, or why it could not be."""

    name: str
    picture: Picture | None = None
    own_id: str | None = None
    """The id that it has as a reference, if it is one."""
    problem: str | None = None


def find_sources(
    arguments: Sequence[str], *, stdin: Callable[[], bytes], left_out: LeftOut
) -> Iterator[Source]:
    """Files as given, folders and patterns expanded in sorted order, `-` for `stdin`.

    What is not there is a source too, whose reading fails: it is named with the others.
    `left_out` is told what folders hold besides.

    Raises:
        UsageError: `-` stands more than once.
    """
    if list(arguments).count(STANDARD_INPUT) > 1:
        raise UsageError("standard input ('-') can be read only once")
    for argument in arguments:
        if argument == STANDARD_INPUT:
            yield Source(STANDARD_INPUT, stdin)
        else:
            yield from _expand(argument, left_out)


def _expand(argument: str, left_out: LeftOut) -> Iterator[Source]:
    path = Path(argument)
    if os.path.isdir(path):  # noqa: PTH112  never raises
        nothing = Source(argument, _failing("there are no images in this folder"))
        yield from _files([path], left_out, otherwise=nothing)
    elif not os.path.lexists(path) and glob.has_magic(argument):
        # Path.glob takes no absolute pattern.
        found = glob.glob(argument, recursive=True)  # noqa: PTH207
        matches = [Path(match) for match in sorted(found)]
        nothing = Source(argument, _failing("no file matches this pattern"))
        yield from _files(matches, left_out, otherwise=nothing)
    else:
        yield Source(argument, partial(read_file, path))


def _files(paths: Sequence[Path], left_out: LeftOut, *, otherwise: Source) -> Iterator[Source]:
    empty = True
    for run in find_runs(paths, left_out):
        empty = False
        if isinstance(run, Unreadable):
            yield Source(str(run.path), _failing(run.reason))
            continue
        for path in map(Path, run):
            yield Source(str(path), partial(read_file, path))
    if empty:
        yield otherwise


def _failing(reason: str) -> Callable[[], bytes]:
    def read() -> bytes:
        raise BrokenImage(reason)

    return read


def read_queries(
    sources: Iterable[Source], recipe: Recipe, *, workers: int, ahead: int
) -> Iterator[Query]:
    """Read and decode in `workers` threads, yield in order, at most `ahead` at a time in memory."""
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        waiting: deque[Future[Query]] = deque()
        try:
            for source in sources:
                waiting.append(pool.submit(_read, source, recipe))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _read(source: Source, recipe: Recipe) -> Query:
    try:
        data = source.read()
        picture = read_picture(data, recipe)
    except BrokenImage as error:
        return Query(source.name, problem=error.reason)
    return Query(source.name, picture, own_id=reference_id(hashlib.sha256(data).hexdigest()))
