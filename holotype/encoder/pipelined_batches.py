"""Batches in flight: the host prepares one while the device still works on those before it.

A batch goes through a slot, which is room for it on both sides. Slots are taken in turns, and a
slot's memory on the host is not written to while its last batch is still being copied from it.
What a slot does on a real device is in `cuda`; here is everything that needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from holotype.encoder.protocol import UnderWay
from holotype.images.square import Pixels
from holotype.references import Vectors

SLOTS = 2
"""One is filled and copied while the device works on the other."""


class Slot(Protocol):
    """Room for one batch."""

    @property
    def pixels(self) -> Pixels:
        """(B, S, S, 3) uint8 on the host, to be filled."""
        ...

    def wait(self) -> None:
        """Until what was launched from here has left the host's memory."""
        ...

    def launch(self, count: int) -> UnderWay:
        """Start to embed the first `count` pictures; returns before they have left.

        Raises:
            OutOfMemoryError: torch's. A device's memory is taken when work is queued, never
                later, so that `UnderWay.vectors` does not raise it.
        """
        ...


MakeSlot = Callable[[int], Slot]
"""Room for so many pictures."""


class Ring:
    """Slots taken in turns, made when they are needed and no larger than was needed so far."""

    def __init__(self, make: MakeSlot) -> None:
        self._make = make
        self._slots: list[Slot | None] = [None] * SLOTS
        self._turn = 0

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """Copy the pictures into the next slot, once it is free, and launch it."""
        slot = self._free_slot(len(pixels))
        np.stack(pixels, out=slot.pixels[: len(pixels)])
        return slot.launch(len(pixels))

    def clear(self) -> None:
        """Give the memory back. What is under way goes on."""
        for slot in self._slots:
            if slot is not None:
                slot.wait()
        self._slots = [None] * SLOTS

    def _free_slot(self, count: int) -> Slot:
        turn, self._turn = self._turn, (self._turn + 1) % SLOTS
        slot = self._slots[turn]
        if slot is not None:
            slot.wait()
            if len(slot.pixels) >= count:
                return slot
        self._slots[turn] = slot = None  # the small one goes before the large one is made
        slot = self._make(1 << (count - 1).bit_length())  # doubling: it grows a few times only
        self._slots[turn] = slot
        return slot


class Flights:
    """Several batches under way as one."""

    def __init__(self, parts: Sequence[UnderWay]) -> None:
        """Join them in this order; at least one."""
        self._parts = parts

    def vectors(self) -> Vectors:
        """See `UnderWay.vectors`."""
        # A copy in any case: what a part gives may lie in memory that transfers need.
        vectors: Vectors = np.concatenate([part.vectors() for part in self._parts])
        return vectors

    @property
    def seconds(self) -> float:
        """See `UnderWay.seconds`."""
        return sum(part.seconds for part in self._parts)
