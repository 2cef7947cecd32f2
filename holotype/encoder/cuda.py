"""A slot on a CUDA device: pinned memory, a stream for copies, events between the streams.

Three things may go on at once: the host fills one slot, another is copied to the device in the
stream for copies, and the device computes in its own stream. Events keep them apart:

    host     fill 1    fill 2    wait copied 1, fill 1 ...
    copies             1 -> device        wait read 1, 2 -> device
    compute                      wait copied 1, forward 1, vectors 1 -> host

A copy into a slot waits on the device until the forward pass before has read the slot; the host
waits until the copy has read the host's side. So the host is at most two batches ahead.
"""

from __future__ import annotations

import torch

from holotype.encoder.forward import Forward
from holotype.encoder.pipelined_batches import Slot
from holotype.references import Vectors


class CudaSlots:
    """Makes slots for one network; they share the stream for copies."""

    def __init__(self, forward: Forward, side: int) -> None:
        """For pictures of side x side pixels."""
        self._forward = forward
        self._side = side
        self._copies = torch.cuda.Stream(forward.placement.device)  # type: ignore[no-untyped-call]

    def __call__(self, capacity: int) -> Slot:
        """See `holotype.encoder.pipelined_batches.MakeSlot`."""
        shape = (capacity, self._side, self._side, 3)
        return CudaSlot(self._forward, shape, self._copies)


class CudaSlot:
    """See `holotype.encoder.pipelined_batches.Slot`."""

    def __init__(self, forward: Forward, shape: tuple[int, ...], copies: torch.cuda.Stream) -> None:
        """Take memory for (B, S, S, 3) uint8 on both sides."""
        self._forward = forward
        self._copies = copies
        self._device = forward.placement.device
        self._here = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._there = torch.empty(shape, dtype=torch.uint8, device=self._device)
        self.pixels = self._here.numpy()
        self._copied = _event()
        self._read = _event()
        # This memory may have been let go by work that is still queued: the first copy into it,
        # in another stream, has to wait for that.
        self._read.record(torch.cuda.current_stream(self._device))

    def wait(self) -> None:
        """See `Slot.wait`."""
        self._copied.synchronize()

    @torch.inference_mode()
    def launch(self, count: int) -> CudaFlight:
        """See `Slot.launch`."""
        compute = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copies):
            self._read.wait(self._copies)
            self._there[:count].copy_(self._here[:count], non_blocking=True)
            self._copied.record(self._copies)
        self._copied.wait(compute)
        started, ended = _event(), _event()
        started.record(compute)
        vectors = self._forward(self._there[:count])
        self._read.record(compute)
        # In the same stream: they are small, and so nothing has to be kept apart.
        here = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
        here.copy_(vectors, non_blocking=True)
        ended.record(compute)
        return CudaFlight(here, started, ended)


class CudaFlight:
    """See `holotype.encoder.protocol.UnderWay`."""

    def __init__(
        self, here: torch.Tensor, started: torch.cuda.Event, ended: torch.cuda.Event
    ) -> None:
        """Vectors on their way to `here`, which is pinned."""
        self._here = here
        self._started = started
        self._ended = ended

    def vectors(self) -> Vectors:
        """See `UnderWay.vectors`."""
        self._ended.synchronize()
        vectors: Vectors = self._here.numpy()
        return vectors

    @property
    def seconds(self) -> float:
        """See `UnderWay.seconds`."""
        milliseconds: float = self._started.elapsed_time(self._ended)
        return milliseconds / 1000


def _event() -> torch.cuda.Event:
    """One that the host sleeps on: it would spin on a core that decoding could use."""
    return torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
