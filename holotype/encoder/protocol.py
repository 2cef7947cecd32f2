"""What the rest of the project knows of an encoder. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors


class UnderWay(Protocol):
    """Pictures that an encoder has begun with."""

    def vectors(self) -> Vectors:
        """Wait for their vectors, in any thread: (N, D) float32, unit rows, in order."""
        ...

    @property
    def seconds(self) -> float:
        """How long the device worked on them alone; known once `vectors` has returned."""
        ...


class Ended:
    """Pictures whose vectors are there already."""

    def __init__(self, vectors: Vectors, seconds: float) -> None:
        self._vectors = vectors
        self.seconds = seconds

    def vectors(self) -> Vectors:
        """See `UnderWay.vectors`."""
        return self._vectors


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

    @property
    def batch_size(self) -> int:
        """Pictures that it takes best at a time; fewer than before once memory ran out."""
        ...

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """Begin to embed prepared pictures; they are no longer needed when this returns.

        An accelerator still works then, and the next pictures may be begun: one thread at a time
        begins, any thread takes the vectors. A processor has done all the work when it returns.

        Args:
            pixels: N arrays (S, S, 3) uint8, S = `recipe.image_size`; any number of them,
                batches are the encoder's business.

        Raises:
            EncoderError: the device cannot hold even one picture.
        """
        ...

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed prepared pictures: `begin`, and wait for the vectors.

        Returns:
            (N, D) float32, unit rows, in the order given.

        Raises:
            EncoderError: as for `begin`.
        """
        ...
