"""How much may be begun by the encoder and not yet written: what a kill costs."""

from __future__ import annotations

WINDOW_S = 0.5
"""Seconds of encoding that one write may take together, on a device that needs milliseconds for
a batch. A write with its flush takes 0.02 to 0.2 s, and must not be paid for each of those."""

MOST_BATCHES = 16
"""A bound for memory: thumbnails and vectors of 16 batches of 128 are about 80 MiB. Pixels are let
go as soon as a batch is begun."""


class WriteWindow:
    """Batches that one write may take together; as many may be ready or under way meanwhile.

    One on a processor, where a batch takes longer to encode than to write: a kill then costs
    the batch that is being encoded and the one that is being written, and no others. On an
    accelerator at most about `WINDOW_S` of encoding, twice: a batch counts from when it is
    begun, on the device or off it, and the write that takes it waits for its vectors. So even
    where it is one, the device works on a batch while the one before is written.
    """

    def __init__(self) -> None:
        """Begin with one."""
        self._batches = 1

    def batches(self) -> int:
        """As many, at least one."""
        return self._batches

    def encoded(self, device: str, seconds: float) -> None:
        """A batch was encoded there, and took so long of the device alone."""
        if device != "cpu":
            self._batches = max(1, min(MOST_BATCHES, int(WINDOW_S / max(seconds, 1e-9))))
