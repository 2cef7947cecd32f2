"""Small honest stand-ins, shared by all tests."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from holotype.encoder.protocol import Ended, UnderWay
from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors

CELLS = 2
"""The picture is averaged over CELLS x CELLS cells."""


class ColourEncoder:
    """An encoder that sees nothing but colour, instantly and without torch.

    A vector is the mean colour of four quarters, centred on mid grey, with a small constant that
    keeps grey pictures off zero: pictures of different colours lie apart, similar ones close.
    """

    def __init__(
        self, *, image_size: int = 32, weights: str = "c0103e", batch_size: int = 8
    ) -> None:
        half = (0.5, 0.5, 0.5)
        self.recipe = Recipe(image_size, 1.0, "bilinear", "center", half, half)
        self.dimension = CELLS * CELLS * 3 + 4
        self.device = "cpu"
        self.batch_size = batch_size
        self.fingerprint = Fingerprint(
            backbone="colour",
            weights_sha256=weights,
            image_size=image_size,
            preprocessing=self.recipe.describe(),
            pooling="mean",
            normalisation="l2",
            dimension=self.dimension,
        )
        self.calls = 0
        self.images_encoded = 0

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """See `holotype.encoder.protocol.Encoder.begin`; everything is done when it returns."""
        started = time.monotonic()
        vectors = self.encode(pixels)
        return Ended(vectors, time.monotonic() - started)

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """See `holotype.encoder.protocol.Encoder.encode`."""
        self.calls += 1
        self.images_encoded += len(pixels)
        side = self.recipe.image_size
        vectors = np.full((len(pixels), self.dimension), 0.1, np.float32)
        for row, picture in zip(vectors, pixels, strict=True):
            assert picture.shape == (side, side, 3)
            assert picture.dtype == np.uint8
            cells = picture.reshape(CELLS, side // CELLS, CELLS, side // CELLS, 3).mean((1, 3))
            row[: cells.size] = cells.ravel() / 127.5 - 1.0
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit
