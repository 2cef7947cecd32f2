"""A thread that works when it is asked to, or when something is due, and keeps nobody alive."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

END_S: Final = 2.0
"""How long the end waits for work that is under way."""

Work = Callable[[], float | None]
"""Does what is due, and returns when the next thing is (monotonic seconds); None: nothing."""


class BackgroundWorker:
    """Runs one piece of work, whenever it is time. Safe for several threads.

    The thread is started by the first request. It holds its work weakly, and ends with it.
    """

    def __init__(self, work: weakref.WeakMethod[Work]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._due: float | None = None
        self._ended = False
        self._thread: threading.Thread | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will be done any more."""
        return self._ended

    def at(self, due: float | None) -> None:
        """Work at that time (monotonic seconds), or before; None: only when asked."""
        with self._changed:
            if due is None or self._ended:
                return
            self._due = due if self._due is None else min(due, self._due)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="basis", daemon=True)
                self._thread.start()
            self._changed.notify()

    def end(self) -> None:
        """Work no more; what is under way is waited for, for a while."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(END_S)

    def _run(self) -> None:
        while self._wait():
            work = self._work()
            if work is None:
                return
            due = work()
            del work  # or this thread would keep its owner alive while it waits
            self.at(due)

    def _wait(self) -> bool:
        """Until something is due; whether to go on."""
        with self._changed:
            while not self._ended:
                left = None if self._due is None else self._due - time.monotonic()
                if left is not None and left <= 0:
                    self._due = None
                    return True
                self._changed.wait(left)
            return False
