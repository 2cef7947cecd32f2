"""Batches in flight: buffers taken in turns, order, memory and errors, on a device that lags."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from holotype.encoder.forward import Forward
from holotype.encoder.pipelined_batches import SLOTS, Ring
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.errors import EncoderError
from holotype.images.square import Pixels
from holotype.references import Vectors
from tests.fakes import ColourEncoder
from tests.holotype.encoder.test_encode import CPU, SmallMemory, pictures


class Lagging:
    """A device that does nothing until somebody waits for it, as late as one could be.

    It reads a slot's memory only then, so a slot that was filled again too early shows in the
    vectors. Memory is taken at the launch, as on a real device.
    """

    def __init__(self, *, room: int = 1000) -> None:
        self.room = room
        self.launched: list[int] = []
        self.made: list[int] = []
        self._queue: list[LateFlight] = []

    def __call__(self, capacity: int) -> LateSlot:
        """See `MakeSlot`."""
        self.made.append(capacity)
        return LateSlot(self, capacity)

    def launch(self, slot: LateSlot, count: int) -> LateFlight:
        """Queue it."""
        if count > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.launched.append(count)
        flight = LateFlight(self, slot, count)
        self._queue.append(flight)
        return flight

    def finish(self, until: Callable[[LateFlight], bool]) -> None:
        """Work in order, up to the last batch that this is true of."""
        last = max((n for n, flight in enumerate(self._queue) if until(flight)), default=-1)
        for flight in self._queue[: last + 1]:
            flight.result = flight.slot.pixels[: flight.count].mean(axis=(1, 2), dtype=np.float32)
        del self._queue[: last + 1]

    @property
    def in_flight(self) -> int:
        """Batches that were launched and not worked on."""
        return len(self._queue)


class LateSlot:
    """See `holotype.encoder.pipelined_batches.Slot`."""

    def __init__(self, device: Lagging, capacity: int) -> None:
        self._device = device
        self.pixels = np.zeros((capacity, 8, 8, 3), np.uint8)

    def wait(self) -> None:
        """The device catches up with this slot."""
        self._device.finish(lambda flight: flight.slot is self)

    def launch(self, count: int) -> LateFlight:
        """See `Slot.launch`."""
        return self._device.launch(self, count)


class LateFlight:
    """See `holotype.encoder.protocol.UnderWay`."""

    seconds = 0.25

    def __init__(self, device: Lagging, slot: LateSlot, count: int) -> None:
        self._device = device
        self.slot = slot
        self.count = count
        self.result: Vectors | None = None

    def vectors(self) -> Vectors:
        """The device catches up with this batch."""
        self._device.finish(lambda flight: flight is self)
        assert self.result is not None
        return self.result


def encoder_on(device: Lagging, batch_size: int) -> TimmEncoder:
    """An encoder of 3-dimensional vectors for pictures of 8 pixels."""
    colour = ColourEncoder(image_size=8)
    return TimmEncoder(
        Forward(SmallMemory(room=0), CPU),  # type: ignore[arg-type]
        fingerprint=colour.fingerprint,
        recipe=colour.recipe,
        batch_size=batch_size,
        slots=device,
    )


def levels(vectors: Vectors) -> list[float]:
    """Which pictures these are of."""
    return vectors[:, 0].tolist()


def test_begin__returns_while_the_device_works() -> None:
    """Two batches are begun before any is worked on; vectors come by batch, whoever asks first."""
    device = Lagging()
    encoder = encoder_on(device, batch_size=4)
    some = pictures(8)
    first, second = encoder.begin(some[:4]), encoder.begin(some[4:])
    assert device.in_flight == 2
    assert levels(second.vectors()) == [4, 5, 6, 7]
    assert levels(first.vectors()) == [0, 1, 2, 3]


def test_begin__pictures_may_change_afterwards() -> None:
    """The caller's arrays are copied when `begin` returns."""
    device = Lagging()
    some = pictures(3)
    begun = encoder_on(device, batch_size=4).begin(some)
    for picture in some:
        picture[:] = 99
    assert levels(begun.vectors()) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 4, 5, 11, 40])
def test_encode__never_overwrites_what_is_still_read(count: int) -> None:
    """Many batches through two slots on a device that lags: each vector is its picture's."""
    device = Lagging()
    vectors = encoder_on(device, batch_size=4).encode(pictures(count))
    assert levels(vectors) == list(range(count))
    assert len(device.launched) == -(-count // 4)


def test_begin__is_bounded_by_the_slots() -> None:
    """However many batches are begun at once, no more than the slots are ever unread."""
    device = Lagging()
    seen: list[int] = []
    launch = device.launch

    def watched(slot: LateSlot, count: int) -> LateFlight:
        flight = launch(slot, count)
        seen.append(device.in_flight)
        return flight

    device.launch = watched  # type: ignore[method-assign]
    encoder_on(device, batch_size=2).begin(pictures(20))
    assert max(seen) == SLOTS
    assert len(device.made) == SLOTS


def test_begin__another_thread_takes_the_vectors() -> None:
    """One thread begins batch after batch, another takes what the first one began."""
    device = Lagging()
    encoder = encoder_on(device, batch_size=4)
    begun = [encoder.begin(pictures(4)) for _ in range(2)]
    found: list[list[float]] = []
    taker = threading.Thread(target=lambda: found.extend(levels(b.vectors()) for b in begun))
    taker.start()
    taker.join()
    assert found == [[0, 1, 2, 3]] * 2


def test_begin__seconds_of_all_its_batches() -> None:
    """Three batches of a quarter of a second are three quarters."""
    begun = encoder_on(Lagging(), batch_size=4).begin(pictures(12))
    begun.vectors()
    assert begun.seconds == 0.75


def test_begin__out_of_memory_halves_and_goes_on() -> None:
    """When memory runs out the batch is halved until it fits; what was begun before is kept."""
    device = Lagging(room=8)
    encoder = encoder_on(device, batch_size=8)
    before = encoder.begin(pictures(8))
    device.room = 3
    vectors = encoder.encode(pictures(20))
    assert levels(vectors) == list(range(20))
    assert levels(before.vectors()) == list(range(8))
    assert encoder.batch_size == 2
    assert device.launched == [8] + [2] * 10


def test_begin__not_even_one_fits() -> None:
    """When a single picture does not fit, the message names ways out."""
    with pytest.raises(EncoderError, match="no memory for a single picture of 8 pixels"):
        encoder_on(Lagging(room=0), batch_size=8).begin(pictures(3))


def test_begin__nothing() -> None:
    """No pictures give no rows, of the right width, and nothing is launched."""
    device = Lagging()
    encoder = encoder_on(device, batch_size=4)
    assert encoder.begin([]).vectors().shape == (0, encoder.dimension)
    assert device.launched == []


def test_vectors__an_error_of_the_device_reaches_who_asks() -> None:
    """What goes wrong on the device is raised where the vectors are taken."""
    device = Lagging()
    begun = encoder_on(device, batch_size=4).begin(pictures(2))

    def fail(_: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    device.finish = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        begun.vectors()


def test_ring__grows_by_doubling_and_keeps_what_is_large_enough() -> None:
    """Slots are as large as batches were so far: single queries do not take a batch's memory."""
    device = Lagging()
    ring = Ring(device)

    def through(count: int) -> None:
        assert levels(ring.begin(pictures(count)).vectors()) == list(range(count))

    for count in (1, 1, 5, 3, 8, 8, 2):
        through(count)
    assert device.made == [1, 1, 8, 4, 8]


def test_ring__a_slot_is_read_before_a_larger_one_takes_its_place() -> None:
    """A batch that outgrows a slot waits for it, and the batch before keeps its vectors."""
    device = Lagging()
    ring = Ring(device)
    small: list[Pixels] = pictures(1)
    begun = [ring.begin(small), ring.begin(small), ring.begin(pictures(6))]
    assert [levels(b.vectors()) for b in begun] == [[0], [0], [0, 1, 2, 3, 4, 5]]
