"""Ctrl-C: once, and the work in hand is finished and reported; twice, and it ends at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from holotype import console


@contextmanager
def finishing_what_is_in_hand() -> Iterator[None]:
    """Say what is being waited for after the first Ctrl-C; the second one does not wait.

    Both are safe: whatever was reported is durable, and the rest is done by the next run.
    """
    before = signal.getsignal(signal.SIGINT)

    def first(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        console.say("stopping after the batch in hand; Ctrl-C again to stop at once")
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
