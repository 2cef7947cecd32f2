"""The encoder that runs a timm backbone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from holotype.encoder.cpu_threads import CHUNK, Lanes, even_chunks
from holotype.encoder.forward import Forward
from holotype.encoder.network import EmbeddingNetwork
from holotype.encoder.pipelined_batches import Flights, MakeSlot, Ring
from holotype.encoder.protocol import Ended, UnderWay
from holotype.errors import EncoderError
from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors

T = TypeVar("T")


class TimmEncoder:
    """See `holotype.encoder.protocol.Encoder`."""

    def __init__(
        self,
        forward: Forward,
        *,
        fingerprint: Fingerprint,
        recipe: Recipe,
        batch_size: int,
        lanes: Lanes | None = None,
        slots: MakeSlot | None = None,
    ) -> None:
        """Use this network.

        Args:
            forward: runs it.
            fingerprint: of its vectors.
            recipe: of its pictures.
            batch_size: pictures per forward pass.
            lanes: threads that share the processor's cores.
            slots: of a device that works while the host goes on; None: the host waits.
        """
        self._forward = forward
        self._fingerprint = fingerprint
        self._recipe = recipe
        self._lanes = lanes
        self._ring = None if slots is None else Ring(slots)
        self._use_batches_of(batch_size)

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space of its vectors."""
        return self._fingerprint

    @property
    def recipe(self) -> Recipe:
        """How pictures must be prepared for `encode`."""
        return self._recipe

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        return self._fingerprint.dimension

    @property
    def device(self) -> str:
        """`cpu`, `cuda` or `mps`."""
        return self._forward.placement.device.type

    @property
    def network(self) -> EmbeddingNetwork:
        """What runs on the device, for measurements on it."""
        return self._forward.network

    @property
    def forward(self) -> Forward:
        """How it runs there, for measurements on it."""
        return self._forward

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass; smaller than asked for once memory ran out."""
        return self._batch_size

    def warm_up(self) -> None:
        """Embed one whole batch of grey, so that compiling is over before work comes."""
        side = self._recipe.image_size
        self.encode([np.full((side, side, 3), 128, np.uint8)] * self._batch_size)

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """See `holotype.encoder.protocol.Encoder.begin`."""
        self._check(pixels)
        if not pixels:
            return Ended(np.empty((0, self.dimension), np.float32), 0.0)
        if self._ring is not None:
            return Flights(self._in_batches(self._ring.begin, pixels))
        started = time.perf_counter()
        vectors = self._embed_here(pixels)
        return Ended(vectors, time.perf_counter() - started)

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """See `holotype.encoder.protocol.Encoder.encode`."""
        return self.begin(pixels).vectors()

    def _embed_here(self, pixels: Sequence[Pixels]) -> Vectors:
        if self._lanes is None or len(pixels) == 1:  # one picture: all cores on it
            parts = self._in_batches(self._run, pixels)
        else:
            at_most = min(self._batch_size, CHUNK)
            chunks = even_chunks(pixels, at_most=at_most, lanes=self._lanes.count)
            parts = self._lanes.map(self._run, chunks)
        # One copy back for all batches: the device never waits for the host in between.
        vectors: Vectors = torch.cat(parts).cpu().numpy()
        return vectors

    def _run(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        return self._forward(torch.from_numpy(np.stack(pixels)).to(self._forward.placement.device))

    def _in_batches(
        self, run: Callable[[Sequence[Pixels]], T], pixels: Sequence[Pixels]
    ) -> list[T]:
        """What `run` gives of each batch; batches are halved until they fit into memory."""
        parts: list[T] = []
        start = 0
        while start < len(pixels):
            batch = pixels[start : start + self._batch_size]
            try:
                parts.append(run(batch))
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise self._no_room() from error
            else:
                start += len(batch)
                continue
            # Only here has the error gone, and with it the tensors that its traceback held.
            self._use_batches_of(len(batch) // 2)
            self._free_memory()
        return parts

    def _use_batches_of(self, size: int) -> None:
        self._batch_size = self._forward.whole = size

    def _free_memory(self) -> None:
        if self._ring is not None:
            self._ring.clear()
        if self._forward.placement.is_cuda:
            torch.cuda.empty_cache()

    def _check(self, pixels: Sequence[Pixels]) -> None:
        side = self._recipe.image_size
        wrong = [picture.shape for picture in pixels if picture.shape != (side, side, 3)]
        if wrong:
            raise ValueError(f"a picture of shape {wrong[0]}, the recipe makes {(side, side, 3)}")

    def _no_room(self) -> EncoderError:
        return EncoderError(
            f"the {self.device} device has no memory for a single picture of "
            f"{self._recipe.image_size} pixels: use --device cpu, a smaller --image-size "
            "or a smaller --backbone"
        )
