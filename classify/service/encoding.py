"""The one encoder that all requests share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from classify.service.batcher import Batcher
from holotype.encoder.protocol import Ended, UnderWay
from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors

if TYPE_CHECKING:
    from classify.service.metrics import Metrics
    from holotype.encoder.protocol import Encoder


def encoding_batches(
    encoder: Encoder,
    *,
    size: int,
    window_s: float,
    metrics: Metrics,
    beat: Callable[[], None],
) -> Batcher[Pixels, Vectors]:
    """A batcher whose items are pictures, (S, S, 3) uint8, and whose results are (D,) vectors.

    Args:
        encoder: called by one thread at a time.
        size: pictures in a batch, at most.
        window_s: how long the first picture of a batch waits for others, at most.
        metrics: told of every batch.
        beat: called whenever a batch ended well: a sign of life.
    """

    def observe(count: int, seconds: float) -> None:
        metrics.batched("encode", count)
        metrics.stepped("encode", seconds)
        beat()

    def encode(pixels: Sequence[Pixels]) -> list[Vectors]:
        return list(encoder.encode(pixels))

    return Batcher(encode, name="encode", size=size, window_s=window_s, observe=observe)


class SharedEncoder:
    """An `Encoder` whose pictures join everybody's batches. It blocks: for threads."""

    def __init__(self, encoder: Encoder, batches: Batcher[Pixels, Vectors]) -> None:
        self._encoder = encoder
        self._batches = batches

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
        waiting = [self._batches.submit(picture) for picture in pixels]
        return np.stack([future.result() for future in waiting])
