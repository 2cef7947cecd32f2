"""The one encoder that all requests share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

import numpy as np

from classify.service.batcher import Batcher
from holotype.encoder.protocol import Ended, UnderWay
from holotype.errors import EncoderError
from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors

if TYPE_CHECKING:
    from classify.service.metrics import Metrics
    from holotype.encoder.protocol import Encoder

SELF_TEST_S = 30.0
"""How old the encoder's last sign of life may be for `ready`, seconds."""

ANSWER_S = 20.0
"""How long the encoder may take over one picture to count as ready, seconds."""


class SharedEncoder:
    """An `Encoder` whose pictures join everybody's batches. `encode` blocks: for threads."""

    def __init__(self, encoder: Encoder, *, window_s: float, metrics: Metrics) -> None:
        """Start the thread that encodes.

        Args:
            encoder: called by that thread alone.
            window_s: how long the first picture of a batch waits for others, at most.
            metrics: told of every batch.
        """
        self._encoder = encoder
        self._metrics = metrics
        self._alive_at = -SELF_TEST_S
        self._batches: Batcher[Pixels, Vectors] = Batcher(
            lambda pixels: list(encoder.encode(pixels)),
            name="encode",
            size=encoder.batch_size,
            window_s=window_s,
            observe=self._ended,
        )

    @property
    def fingerprint(self) -> Fingerprint:
        """See `Encoder.fingerprint`."""
        return self._encoder.fingerprint

    @property
    def recipe(self) -> Recipe:
        """See `Encoder.recipe`."""
        return self._encoder.recipe

    @property
    def dimension(self) -> int:
        """See `Encoder.dimension`."""
        return self._encoder.dimension

    @property
    def device(self) -> str:
        """See `Encoder.device`."""
        return self._encoder.device

    @property
    def batch_size(self) -> int:
        """See `Encoder.batch_size`."""
        return self._encoder.batch_size

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """See `Encoder.begin`; it waits, since batches are everybody's."""
        started = time.monotonic()
        vectors = self.encode(pixels)
        return Ended(vectors, time.monotonic() - started)

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """See `Encoder.encode`."""
        if not pixels:
            return np.empty((0, self.dimension), np.float32)
        waiting = [self.submit(picture) for picture in pixels]
        return np.stack([future.result() for future in waiting])

    @property
    def queued(self) -> int:
        """Pictures that wait for a batch."""
        return self._batches.queued

    def submit(self, pixels: Pixels) -> Future[Vectors]:
        """Have a picture, (S, S, 3) uint8, become a vector, (D,) float32, with the next batch."""
        return self._batches.submit(pixels)

    def check(self) -> None:
        """Embed a grey picture, unless something was embedded a moment ago.

        Raises:
            EncoderError: it does not work.
        """
        if time.monotonic() - self._alive_at < SELF_TEST_S:
            return
        side = self.recipe.image_size
        grey = np.full((side, side, 3), 128, np.uint8)
        try:
            self.submit(grey).result(ANSWER_S)
        except TimeoutError as error:
            raise EncoderError(f"the encoder has not answered for {ANSWER_S:.0f} s") from error

    def close(self) -> None:
        """End with the batch that is under way; what waits is dropped."""
        self._batches.close(drop=True)

    def _ended(self, count: int, seconds: float) -> None:
        self._metrics.batched("encode", count)
        self._metrics.stepped("encode", seconds)
        self._alive_at = time.monotonic()
