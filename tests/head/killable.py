"""`retrain` on the embedded gallery of the environment, killed before its nth write.

`python -m tests.head.killable N`, run by `test_killed.py`. `dying_at` is also used there in one
process, where what follows the write that was not made is made to fail as well: a dead process
writes nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from head.commands import run_retrain
from head.options import RetrainOptions
from holotype.settings import Settings
from holotype.store.edge.shard import Shard
from tests.holotype.store.memory_qdrant import MemoryQdrant

WRITES = ((Shard, "update"), (MemoryQdrant, "upsert"), (MemoryQdrant, "delete"))
"""By these a store writes to an engine."""


class Killed(BaseException):
    """Nothing catches it, as nothing survives a kill."""


@dataclass
class Deaths:
    """Counts writes and dies instead of the nth and of all after it."""

    at: int
    die: Callable[[], None]
    seen: int = 0

    def before(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """The write, if it is not too late."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.seen += 1
            if self.seen >= self.at:
                self.die()
            return write(*args, **kwargs)

        return counted


def _raise() -> None:
    raise Killed


@contextmanager
def dying_at(n: int, die: Callable[[], None] = _raise) -> Iterator[Deaths]:
    """Die instead of the nth write to an engine; counted from 1."""
    deaths = Deaths(n, die)
    patches = [patch.object(cls, name, deaths.before(getattr(cls, name))) for cls, name in WRITES]
    for one in patches:
        one.start()
    try:
        yield deaths
    finally:
        for one in patches:
            one.stop()


if __name__ == "__main__":
    with dying_at(int(sys.argv[1]), die=lambda: os.kill(os.getpid(), signal.SIGKILL)):
        run_retrain(Settings.load(), RetrainOptions(), as_json=False)
