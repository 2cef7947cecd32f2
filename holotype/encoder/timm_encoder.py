"""The encoder that runs a timm backbone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from holotype.encoder.lanes import CHUNK, Lanes, even_chunks
from holotype.encoder.network import EmbeddingNetwork
from holotype.encoder.placement import Placement
from holotype.errors import EncoderError
from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors


class TimmEncoder:
    """See `holotype.encoder.protocol.Encoder`. One thread at a time calls `encode`."""

    def __init__(
        self,
        network: EmbeddingNetwork,
        *,
        fingerprint: Fingerprint,
        recipe: Recipe,
        placement: Placement,
        batch_size: int,
        lanes: Lanes | None = None,
    ) -> None:
        self._network = network
        self._fingerprint = fingerprint
        self._recipe = recipe
        self._placement = placement
        self._batch_size = batch_size
        self._lanes = lanes

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
        return self._placement.device.type

    @property
    def network(self) -> EmbeddingNetwork:
        """What runs on the device, for measurements on it."""
        return self._network

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass; smaller than asked for once memory ran out."""
        return self._batch_size

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """See `holotype.encoder.protocol.Encoder.encode`."""
        if not pixels:
            return np.empty((0, self.dimension), np.float32)
        if self._lanes is None or len(pixels) == 1:  # one picture: all cores on it
            parts = self._one_after_another(pixels)
        else:
            at_most = min(self._batch_size, CHUNK)
            chunks = even_chunks(pixels, at_most=at_most, lanes=self._lanes.count)
            parts = self._lanes.map(self._forward, chunks)
        # One copy back for all batches: the device never waits for the host in between.
        vectors: Vectors = torch.cat(parts).cpu().numpy()
        return vectors

    def _one_after_another(self, pixels: Sequence[Pixels]) -> list[torch.Tensor]:
        parts: list[torch.Tensor] = []
        start = 0
        while start < len(pixels):
            batch = pixels[start : start + self._batch_size]
            try:
                parts.append(self._forward(batch))
            except torch.OutOfMemoryError as error:
                self._batch_size = self._halved(len(batch), error)
            else:
                start += len(batch)
        return parts

    @torch.inference_mode()
    def _forward(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        batch = self._to_device(pixels)
        with torch.autocast(
            self._placement.device.type, torch.bfloat16, enabled=self._placement.bf16
        ):
            vectors: torch.Tensor = self._network(batch)
        return vectors

    def _to_device(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        """(N, S, S, 3) uint8 on the device; pinned and asynchronous on CUDA."""
        side = self._recipe.image_size
        shape = (len(pixels), side, side, 3)
        wrong = [picture.shape for picture in pixels if picture.shape != shape[1:]]
        if wrong:
            raise ValueError(f"a picture of shape {wrong[0]}, the recipe makes {shape[1:]}")
        batch = torch.empty(shape, dtype=torch.uint8, pin_memory=self._placement.is_cuda)
        np.stack(pixels, out=batch.numpy())
        return batch.to(self._placement.device, non_blocking=self._placement.is_cuda)

    def _halved(self, size: int, error: torch.OutOfMemoryError) -> int:
        if size == 1:
            raise EncoderError(
                f"the {self.device} device has no memory for a single picture of "
                f"{self._recipe.image_size} pixels: use --device cpu, a smaller --image-size "
                "or a smaller --backbone"
            ) from error
        if self._placement.is_cuda:
            torch.cuda.empty_cache()
        return size // 2
