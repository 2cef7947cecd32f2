"""From what stands on the command line to results: read, embedded and classified in order.

Memory is bounded, and no command line is needed.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from classify.answering.answers import QueryResult
from holotype.errors import BrokenImage, UsageError
from holotype.images.files import read_file, reason_of
from holotype.images.finding import LeftOut, Unreadable, find_runs
from holotype.images.picture import Picture, read_picture
from holotype.references import reference_id

if TYPE_CHECKING:
    from classify.answering.classifier import Classifier
    from classify.answering.options import QueryOptions
    from holotype.encoder.protocol import Encoder
    from holotype.images.recipe import Recipe
    from holotype.references import Vectors

STANDARD_INPUT = "-"

BATCHES_AHEAD = 2
"""Batches decoded ahead of the encoder: it never waits, and memory stays bounded."""


@dataclass(frozen=True, slots=True)
class QueryFile:
    """Where a query's bytes come from."""

    name: str
    read: Callable[[], bytes]
    """Raises BrokenImage where there is nothing to read."""
    problem: str | None = None
    """Why there is nothing to read, where that was seen without reading."""


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
) -> Iterator[QueryFile]:
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
            yield QueryFile(STANDARD_INPUT, stdin)
        else:
            yield from _expand(argument, left_out)


def listed_sources(listed: bytes, *, left_out: LeftOut) -> Iterator[QueryFile]:
    """Files and folders of a list: one path a line, or each ended by a zero byte.

    Args:
        listed: as `ls` or `find -print0` write it; empty lines are passed over.
        left_out: told what folders hold besides.

    Raises:
        UsageError: it names nothing.
    """
    lines = listed.split(b"\0") if b"\0" in listed else listed.splitlines()
    paths = [os.fsdecode(line) for line in lines if line]
    if not paths:
        raise UsageError("nothing to classify: the list names no path")
    for path in paths:
        yield from _expand(path, left_out, pattern=False)


def _expand(argument: str, left_out: LeftOut, *, pattern: bool = True) -> Iterator[QueryFile]:
    path = Path(argument)
    if os.path.isdir(path):  # noqa: PTH112  never raises
        nothing = _nothing(argument, "there are no images in this folder")
        yield from _files([path], left_out, otherwise=nothing)
    elif pattern and not os.path.lexists(path) and glob.has_magic(argument):
        # Path.glob takes no absolute pattern.
        found = glob.glob(argument, recursive=True)  # noqa: PTH207
        matches = [Path(match) for match in sorted(found)]
        nothing = _nothing(argument, "no file matches this pattern")
        yield from _files(matches, left_out, otherwise=nothing)
    else:
        yield _file(argument)


def _files(
    paths: Sequence[Path], left_out: LeftOut, *, otherwise: QueryFile
) -> Iterator[QueryFile]:
    empty = True
    for run in find_runs(paths, left_out):
        empty = False
        if isinstance(run, Unreadable):
            yield _nothing(str(run.path), run.reason)
            continue
        for path in map(Path, run):
            yield QueryFile(str(path), partial(read_file, path))
    if empty:
        yield otherwise


def _file(argument: str) -> QueryFile:
    path = Path(argument)
    try:
        path.stat()
    except OSError as error:
        return _nothing(argument, reason_of(path, error))
    return QueryFile(argument, partial(read_file, path))


def _nothing(name: str, reason: str) -> QueryFile:
    def read() -> bytes:
        raise BrokenImage(reason)

    return QueryFile(name, read, problem=reason)


def read_queries(
    sources: Iterable[QueryFile], recipe: Recipe, *, workers: int, ahead: int
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


def _read(source: QueryFile, recipe: Recipe) -> Query:
    try:
        data = source.read()
        picture = read_picture(data, recipe)
    except BrokenImage as error:
        return Query(source.name, problem=error.reason)
    return Query(source.name, picture, own_id=reference_id(hashlib.sha256(data).hexdigest()))


@dataclass(frozen=True, slots=True)
class EmbeddedBatch:
    """Some queries, and the vectors of those that could be read."""

    queries: Sequence[Query]
    vectors: Vectors | None
    """(R, D) float32, unit rows: R readable queries, in order; None where there is none."""

    @property
    def readable(self) -> list[Query]:
        """The R queries that the vectors belong to."""
        return [query for query in self.queries if query.picture is not None]

    @property
    def own_ids(self) -> list[str | None]:
        """R ids that the readable queries have or would have as references."""
        return [query.own_id for query in self.readable]


def embed_images(
    sources: Iterable[QueryFile], *, encoder: Encoder, batch_size: int, workers: int
) -> Iterator[EmbeddedBatch]:
    """Read, decode and embed, a batch at a time, in order and in bounded memory."""
    queries = read_queries(
        sources, encoder.recipe, workers=workers, ahead=BATCHES_AHEAD * batch_size
    )
    while batch := list(islice(queries, batch_size)):
        pixels = [query.picture.pixels for query in batch if query.picture is not None]
        yield EmbeddedBatch(batch, encoder.encode(pixels) if pixels else None)


def classify_images(
    sources: Iterable[QueryFile],
    *,
    encoder: Encoder,
    classifier: Classifier,
    options: QueryOptions,
    batch_size: int,
    workers: int,
    thumbnails: bool = False,
) -> Iterator[QueryResult]:
    """Classify images; one result per source, in order.

    An image that cannot be read is a result with its problem; it stops nothing.
    """
    for batch in embed_images(sources, encoder=encoder, batch_size=batch_size, workers=workers):
        yield from _results(batch, classifier, options, thumbnails=thumbnails)


def _results(
    batch: EmbeddedBatch, classifier: Classifier, options: QueryOptions, *, thumbnails: bool
) -> Iterator[QueryResult]:
    answers = iter(
        classifier.classify(batch.vectors, options, own_ids=batch.own_ids)
        if batch.vectors is not None
        else ()
    )
    for query in batch.queries:
        if query.picture is None:
            yield QueryResult(query.name, problem=query.problem)
        else:
            thumbnail = query.picture.thumbnail if thumbnails else None
            yield QueryResult(query.name, next(answers), thumbnail=thumbnail)
