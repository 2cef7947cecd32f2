"""What all requests share, and in which order it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from classify.answering.answers import Answer, Evidence, QueryResult
from classify.service.classification import Classification, Searching, SearchRequest, Upload
from classify.service.curation import Curate, Curation
from classify.service.encoding import SharedEncoder
from classify.service.limits import Places
from classify.service.metrics import Metrics
from classify.service.originals import Originals
from classify.service.problems import NoPictures
from classify.service.retraining import Job, Retraining
from classify.service.review_gallery import OPTIONS, ReviewedElsewhere, nearest_of_each
from classify.service.review_selection import ReviewSelection
from holotype.history import Action
from holotype.intake.batch import Intake
from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict
from holotype.review_queue import ReviewQueue

if TYPE_CHECKING:
    from classify.answering.options import QueryOptions
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings
    from holotype.store.port import VectorStore

Add = Callable[..., list[FileOutcome]]
"""A method of `Intake`."""

ADDING_THREADS = 4
"""Uploads that are added at the same time: while one is flushed, others are decoded."""


class Service:
    """One gallery, its encoder where it has one, and everything that requests do with them.

    Blocking methods are called from threads; those that wait for the encoder are
    coroutines. `close` finishes what has begun; the store is closed by who opened it.
    """

    def __init__(
        self,
        *,
        store: VectorStore,
        encoder: Encoder | None,
        settings: Settings,
        retrain: Job,
        curate: Curate,
    ) -> None:
        """Start the threads.

        Args:
            store: open, in the encoder's space.
            encoder: ready; None where the gallery's vectors come from elsewhere.
            settings: the service's own part of them.
            retrain: the retrain job on this store.
            curate: works out what is wrong with this store.
        """
        self.store = store
        self.settings = settings
        self.metrics = Metrics()
        self.places = Places(settings.queue_length, refused=self.metrics.refused)
        self.retraining = Retraining(retrain)
        self.curation = Curation(store, curate)
        self.review = ReviewQueue(
            settings.home / settings.gallery / "review", limit=settings.keep_queries
        )
        self.reviewed_elsewhere = ReviewedElsewhere(self.review, store)
        self.originals = Originals.parse(settings.originals)
        self._adding = ThreadPoolExecutor(ADDING_THREADS, thread_name_prefix="add")
        self._searching = Searching(store, self.metrics)
        self.review_selection = ReviewSelection(self.review, self._searching.submit, self.metrics)
        self._encoder: SharedEncoder | None = None
        self._classification: Classification | None = None
        if encoder is not None:
            self._encoder = SharedEncoder(
                encoder, window_s=settings.batch_window_ms / 1000, metrics=self.metrics
            )
            self._classification = Classification(
                encoder=self._encoder,
                searching=self._searching,
                workers=settings.workers or os.cpu_count() or 1,
                metrics=self.metrics,
                examine=self.review_selection.examine,
            )
        self._intake = Intake(store, self._encoder)

    async def classify(
        self, uploads: Sequence[Upload], options: QueryOptions, *, thumbnails: bool = False
    ) -> list[QueryResult]:
        """One result per upload, in order; with a small JPEG of each where that is asked for.

        Raises:
            NoPictures: the gallery holds vectors that come from elsewhere.
            QueueFull: there is no place for so many images now.
            HolotypeError: these options cannot be answered.
        """
        self.require_pictures()
        assert self._classification is not None
        with self._held(len(uploads)):
            return await self._classification.run(uploads, options, thumbnails=thumbnails)

    async def classify_vectors(self, search: SearchRequest) -> list[Answer]:
        """One answer per vector, in order.

        Raises:
            QueueFull: there is no place for so many queries now.
            HolotypeError: these options cannot be answered.
        """
        with self._held(len(search.vectors)):
            answers = await self._searching.classify(search)
        self.metrics.answered(answers)
        return answers

    async def candidates(
        self, name: str, data: bytes
    ) -> tuple[Answer, Sequence[tuple[Evidence, ...]]]:
        """What a picture may be, and the nearest references of each class that it names.

        The picture itself is left out where the gallery holds it; the query is not counted.

        Raises:
            NoPictures, QueueFull: as for `classify`.
            BrokenImage: the picture cannot be read.
            HolotypeError: the gallery is empty, or cannot be searched.
        """
        self.require_pictures()
        assert self._classification is not None
        with self._held(1):
            search = await self._classification.embedded(Upload(name, data), OPTIONS)
            (answer,) = await self._searching.classify(search)
            snapshot = self._searching.snapshot()
            rows = await asyncio.to_thread(nearest_of_each, self.store, snapshot, search, answer)
        return answer, rows

    async def add(
        self,
        items: Sequence[Incoming],
        *,
        on_conflict: OnConflict,
        action: Action | None = None,
    ) -> list[FileOutcome]:
        """Add labelled images; one outcome each, in order.

        Raises:
            NoPictures: the gallery holds vectors that come from elsewhere.
            QueueFull, StoreError: as for `add_vectors`.
        """
        self.require_pictures()
        return await self._added(self._intake.add, items, on_conflict, action)

    async def add_vectors(
        self,
        items: Sequence[Incoming],
        *,
        on_conflict: OnConflict,
        action: Action | None = None,
    ) -> list[FileOutcome]:
        """Add labelled vectors; one outcome each, in order.

        Once it has begun it is finished, whether or not the client still waits for it, unless
        the service ends.

        Raises:
            QueueFull: there is no place for so many now.
            StoreError: the store cannot be used.
        """
        return await self._added(self._intake.add_vectors, items, on_conflict, action)

    async def _added(
        self, add: Add, items: Sequence[Incoming], policy: OnConflict, action: Action | None
    ) -> list[FileOutcome]:
        places = len(items)
        self.places.take(places)
        adding = self._adding.submit(self._counted, add, items, policy, action)
        adding.add_done_callback(lambda _: self.places.give_back(places))
        outcomes = asyncio.wrap_future(adding)
        # Heard of here, too: whoever waited for it may be gone.
        outcomes.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(outcomes)

    def require_pictures(self) -> None:
        """Refuse a picture where vectors come from elsewhere.

        Raises:
            NoPictures: they do.
        """
        if self._encoder is None:
            raise NoPictures(self.store.gallery, self.store.fingerprint)

    def check_encoder(self) -> None:
        """Embed a grey picture, unless the encoder embedded something a moment ago.

        Raises:
            EncoderError: it does not work.
        """
        if self._encoder is not None:
            self._encoder.check()

    def metrics_page(self) -> bytes:
        """What Prometheus reads."""
        snapshot = self._searching.snapshot()
        return self.metrics.page(
            queue=self.places.taken,
            queue_limit=self.places.limit,
            counts=snapshot.classes.counts if snapshot.classes else {},
            head=None if snapshot.head is None else snapshot.head.version,
        )

    def close(self) -> None:
        """Finish what has begun, from the front to the back.

        Who was accepted and still waits has been answered before this: what is left has nobody
        who waits for it.
        """
        self._adding.shutdown(wait=False, cancel_futures=True)
        if self._classification is not None and self._encoder is not None:
            self._classification.close()
            self._encoder.close()
        self._adding.shutdown()
        self.review_selection.close()
        self.review.close()
        self._searching.close()
        self.retraining.close()
        self.curation.close()

    def _counted(
        self, add: Add, items: Sequence[Incoming], policy: OnConflict, action: Action | None
    ) -> list[FileOutcome]:
        outcomes = add(items, on_conflict=policy, action=action)
        self.metrics.added(outcomes)
        return outcomes

    @contextmanager
    def _held(self, n: int) -> Iterator[None]:
        self.places.take(n)
        try:
            yield
        finally:
            self.places.give_back(n)
