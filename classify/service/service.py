"""What all requests share, and in which order it ends."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import QueryResult
from classify.service.classification import Classification, Searching, Upload
from classify.service.encoding import SharedEncoder, encoding_batches
from classify.service.limits import Places
from classify.service.metrics import Metrics
from classify.service.retraining import Job, Retraining
from classify.service.review_queue import ReviewQueue
from classify.service.review_selection import ReviewSelection
from holotype.errors import EncoderError
from holotype.intake.batch import Intake
from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict

if TYPE_CHECKING:
    from classify.answering.options import QueryOptions
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings
    from holotype.store.port import VectorStore

ADDING_THREADS = 4
"""Uploads that are added at the same time: while one is flushed, others are decoded."""

SELF_TEST_S = 30.0
"""How old the encoder's last sign of life may be for `ready`, seconds."""

ANSWER_S = 20.0
"""How long the encoder may take over one picture to count as ready, seconds."""


class Service:
    """One gallery, one encoder, and everything that requests do with them.

    Blocking methods are called from threads; those that wait for the encoder are
    coroutines. `close` finishes what has begun; the store is closed by who opened it.
    """

    def __init__(
        self, *, store: VectorStore, encoder: Encoder, settings: Settings, retrain: Job
    ) -> None:
        """Start the threads.

        Args:
            store: open, in the encoder's space.
            encoder: ready.
            settings: the service's own part of them.
            retrain: the retrain job on this store.
        """
        self.store = store
        self.settings = settings
        self.metrics = Metrics()
        self.places = Places(settings.queue_length, refused=self.metrics.refused)
        self.retraining = Retraining(retrain)
        self.review = ReviewQueue(
            settings.home / settings.gallery / "review", limit=settings.keep_queries
        )
        self._recipe = encoder.recipe
        self._alive_at = -SELF_TEST_S
        self._decoders = ThreadPoolExecutor(
            settings.workers or os.cpu_count() or 1, thread_name_prefix="decode"
        )
        self._adding = ThreadPoolExecutor(ADDING_THREADS, thread_name_prefix="add")
        self._encoding = encoding_batches(
            encoder,
            size=encoder.batch_size,
            window_s=settings.batch_window_ms / 1000,
            metrics=self.metrics,
            beat=self._beat,
        )
        self._searching = Searching(store, self.metrics)
        self.review_selection = ReviewSelection(self.review, self._searching.submit, self.metrics)
        self._intake = Intake(store, SharedEncoder(encoder, self._encoding))
        self._classification = Classification(
            recipe=encoder.recipe,
            encoding=self._encoding,
            searching=self._searching,
            decoders=self._decoders,
            metrics=self.metrics,
            examine=self.review_selection.examine,
        )

    async def classify(
        self, uploads: Sequence[Upload], options: QueryOptions, *, thumbnails: bool = False
    ) -> list[QueryResult]:
        """One result per upload, in order; with a small JPEG of each where that is asked for.

        Raises:
            QueueFull: there is no place for so many images now.
            HolotypeError: these options cannot be answered.
        """
        with self._held(len(uploads)):
            return await self._classification.run(uploads, options, thumbnails=thumbnails)

    async def add(self, items: Sequence[Incoming], *, on_conflict: OnConflict) -> list[FileOutcome]:
        """Add labelled images; one outcome each, in order.

        Once it has begun it is finished, whether or not the client still waits for it, unless
        the service ends.

        Raises:
            QueueFull: there is no place for so many images now.
            StoreError: the store cannot be used.
        """
        places = len(items)
        self.places.take(places)
        adding = self._adding.submit(self._add, items, on_conflict)
        adding.add_done_callback(lambda _: self.places.give_back(places))
        outcomes = asyncio.wrap_future(adding)
        # Heard of here, too: whoever waited for it may be gone.
        outcomes.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(outcomes)

    def check_encoder(self) -> None:
        """Embed a grey picture, unless the encoder embedded something a moment ago.

        Raises:
            EncoderError: it does not work.
        """
        if time.monotonic() - self._alive_at < SELF_TEST_S:
            return
        side = self._recipe.image_size
        grey = np.full((side, side, 3), 128, np.uint8)
        try:
            self._encoding.submit(grey).result(ANSWER_S)
        except TimeoutError as error:
            raise EncoderError(f"the encoder has not answered for {ANSWER_S:.0f} s") from error

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
        self._decoders.shutdown(cancel_futures=True)
        self._adding.shutdown(wait=False, cancel_futures=True)
        self._encoding.close(drop=True)
        self._adding.shutdown()
        self.review_selection.close()
        self.review.close()
        self._searching.close()
        self.retraining.close()

    def _add(self, items: Sequence[Incoming], on_conflict: OnConflict) -> list[FileOutcome]:
        outcomes = self._intake.add(items, on_conflict=on_conflict)
        self.metrics.added(outcomes)
        return outcomes

    def _beat(self) -> None:
        self._alive_at = time.monotonic()

    @contextmanager
    def _held(self, n: int) -> Iterator[None]:
        self.places.take(n)
        try:
            yield
        finally:
            self.places.give_back(n)
