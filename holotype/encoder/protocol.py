"""What the rest of the project knows of an encoder. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors


class Encoder(Protocol):
    """Pictures in, vectors out."""

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space of its vectors."""
        ...

    @property
    def recipe(self) -> Recipe:
        """How pictures must be prepared for `encode`."""
        ...

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda` or `mps`, for people."""
        ...

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed prepared pictures; any number of them, batches are the encoder's business.

        Args:
            pixels: N arrays (S, S, 3) uint8, S = `recipe.image_size`.

        Returns:
            (N, D) float32, unit rows, in the order given.

        Raises:
            EncoderError: the device cannot hold even one picture.
        """
        ...
