"""One classification, from uploaded bytes to answers, without holding up anyone else.

decode (threads) -> encode (batches of many requests) -> search and vote (same)

A request is searched and voted on in one call, so all its answers come from one head and
one state of the gallery, whatever is promoted meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from classify.answering.answers import Answer, QueryResult
from classify.answering.classifier import Classifier
from classify.answering.snapshot import Snapshot
from classify.service.batcher import Batcher
from holotype.errors import BrokenImage, HolotypeError
from holotype.images.picture import read_picture, read_pixels
from holotype.images.square import Pixels
from holotype.references import EVERYTHING, Neighbour, Reference, Vectors, Where, reference_id

if TYPE_CHECKING:
    from classify.answering.options import QueryOptions
    from classify.service.encoding import SharedEncoder
    from classify.service.metrics import Metrics
    from holotype.store.port import VectorStore

SEARCHES_PER_CALL = 32
"""Requests that one call of the store answers: it holds the interpreter lock meanwhile."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sent."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class DecodedUpload:
    """An upload that could be read."""

    upload: Upload
    pixels: Pixels
    own_id: str
    """The id that it has, or would have, as a reference."""
    thumbnail: bytes | None
    """A small JPEG, where it was asked for."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """The queries of one request, embedded."""

    vectors: Vectors
    """(Q, D) float32, unit rows."""
    own_ids: tuple[str, ...]
    """Q ids that the queries have or would have as references."""
    options: QueryOptions


Examine = Callable[[Sequence[Upload], SearchRequest, Sequence[Answer]], None]


class TimedSearch:
    """Passes everything on to a store, and adds up the seconds that its searches take.

    Reading the references that were found is a part of searching.

    For one thread at a time.
    """

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def neighbours(
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]:
        """See `VectorStore.neighbours`."""
        with self._timed():
            return self._store.neighbours(vectors, k=k, where=where, with_vectors=with_vectors)

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """See `VectorStore.get`."""
        with self._timed():
            return self._store.get(ids)

    def spent(self) -> float:
        """Seconds of searching since the last time this was asked."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds += time.perf_counter() - started


class Searching:
    """Searches and votes for many requests in one call."""

    def __init__(self, store: VectorStore, metrics: Metrics) -> None:
        self._store = TimedSearch(store)
        self._classifier = Classifier(cast("VectorStore", self._store))
        self._metrics = metrics
        with suppress(HolotypeError):  # who asks is told
            self._classifier.snapshot()  # the first answer need not wait for it
        self._batcher: Batcher[SearchRequest, list[Answer]] = Batcher(
            self._classify,
            name="search",
            size=SEARCHES_PER_CALL,
            observe=lambda size, _seconds: metrics.batched("search", size),
        )

    async def classify(self, search: SearchRequest) -> list[Answer]:
        """The answers to one request, in order."""
        return await asyncio.wrap_future(self.submit(search))

    def submit(self, search: SearchRequest) -> Future[list[Answer]]:
        """The same for threads."""
        # Requests with other options are another call of the classifier.
        return self._batcher.submit(search, key=search.options)

    def snapshot(self) -> Snapshot:
        """What answers are given from now."""
        return self._classifier.snapshot()

    def close(self) -> None:
        """Finish what was submitted."""
        self._batcher.close()

    def _classify(self, searches: Sequence[SearchRequest]) -> list[list[Answer]]:
        vectors = np.concatenate([search.vectors for search in searches])
        own_ids = list(chain.from_iterable(search.own_ids for search in searches))
        started = time.perf_counter()
        answers = iter(self._classifier.classify(vectors, searches[0].options, own_ids=own_ids))
        whole, search_s = time.perf_counter() - started, self._store.spent()
        self._metrics.stepped("search", search_s)
        self._metrics.stepped("vote", whole - search_s)
        return [[next(answers) for _ in search.own_ids] for search in searches]


class Classification:
    """Answers requests with pictures."""

    def __init__(
        self,
        *,
        encoder: SharedEncoder,
        searching: Searching,
        workers: int,
        metrics: Metrics,
        examine: Examine,
    ) -> None:
        """Put the steps together; closing encoder and search is the caller's business.

        Args:
            encoder: pictures in, vectors out.
            searching: vectors in, answers out.
            workers: threads that read pictures.
            metrics: told what happens.
            examine: shown every answer with its query; may not wait.
        """
        self._encoder = encoder
        self._searching = searching
        self._decoders = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._metrics = metrics
        self._examine = examine

    def close(self) -> None:
        """End with the pictures that are being read."""
        self._decoders.shutdown(cancel_futures=True)

    async def run(
        self, uploads: Sequence[Upload], options: QueryOptions, *, thumbnails: bool = False
    ) -> list[QueryResult]:
        """One result per upload, in order. A broken image is a result, too.

        Cancelling it takes back what has not been started.

        Args:
            uploads: the queries' files.
            options: apply to all of them.
            thumbnails: whether results carry a small JPEG of their query.

        Raises:
            UnknownFilterKey, EmptyGallery, NoActiveHead: see `Classifier.candidates`.
        """
        decoded = await self._decoded(uploads, thumbnails=thumbnails)
        queries = [found for found in decoded if isinstance(found, DecodedUpload)]
        answers = iter(await self._answered(queries, options) if queries else [])
        return [
            QueryResult(found.upload.name, next(answers), thumbnail=found.thumbnail)
            if isinstance(found, DecodedUpload)
            else found
            for found in decoded
        ]

    async def embedded(self, upload: Upload, options: QueryOptions) -> SearchRequest:
        """One picture as a query, for who searches on its own.

        Raises:
            BrokenImage: it cannot be read.
        """
        loop = asyncio.get_running_loop()
        read = partial(read_pixels, upload.data, self._encoder.recipe)
        pixels = await loop.run_in_executor(self._decoders, read)
        vector = await asyncio.wrap_future(self._encoder.submit(pixels))
        own_id = reference_id(hashlib.sha256(upload.data).hexdigest())
        return SearchRequest(vector[None], (own_id,), options)

    async def _decoded(
        self, uploads: Sequence[Upload], *, thumbnails: bool
    ) -> list[DecodedUpload | QueryResult]:
        loop = asyncio.get_running_loop()
        decode = partial(self._decode, with_thumbnail=thumbnails)
        decoding = [loop.run_in_executor(self._decoders, decode, upload) for upload in uploads]
        return list(await asyncio.gather(*decoding))

    def _decode(self, upload: Upload, *, with_thumbnail: bool) -> DecodedUpload | QueryResult:
        try:
            with self._metrics.timed("decode"):
                pixels, thumbnail = self._read(upload.data, with_thumbnail=with_thumbnail)
        except BrokenImage as error:
            self._metrics.broke()
            return QueryResult(upload.name, problem=error.reason)
        own_id = reference_id(hashlib.sha256(upload.data).hexdigest())
        return DecodedUpload(upload, pixels, own_id, thumbnail)

    def _read(self, data: bytes, *, with_thumbnail: bool) -> tuple[Pixels, bytes | None]:
        if not with_thumbnail:
            return read_pixels(data, self._encoder.recipe), None
        picture = read_picture(data, self._encoder.recipe)
        return picture.pixels, picture.thumbnail

    async def _answered(
        self, queries: Sequence[DecodedUpload], options: QueryOptions
    ) -> list[Answer]:
        encoding = [self._encoder.submit(query.pixels) for query in queries]
        vectors = await asyncio.gather(*map(asyncio.wrap_future, encoding))
        own_ids = tuple(query.own_id for query in queries)
        search = SearchRequest(np.stack(vectors), own_ids, options)
        answers = await self._searching.classify(search)
        self._metrics.answered(answers)
        self._examine([query.upload for query in queries], search, answers)
        return answers
