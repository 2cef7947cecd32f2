"""Ctrl-C: once, and the batch in hand is finished first; twice, and it ends at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from holotype import console


@contextmanager
def finishing_what_is_in_hand(*others: signal.Signals) -> Iterator[None]:
    """Say what is being waited for after the first Ctrl-C; the second one does not wait.

    Both are safe: whatever was reported is durable, and the rest is done by the next run.

    Args:
        others: signals that mean the same, such as SIGTERM for a service.
    """
    signals = (signal.SIGINT, *others)
    before = {number: signal.getsignal(number) for number in signals}

    def first(_number: int, _frame: FrameType | None) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
        console.say("stopping after the batch in hand; Ctrl-C again to stop at once")
        raise KeyboardInterrupt

    for number in signals:
        signal.signal(number, first)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
