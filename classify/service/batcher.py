"""Many callers, one worker: what is asked at the same time is answered by one call.

A batch starts when it is full, or when the window after its first item has passed. While
the worker is busy, items gather by themselves, so under load batches fill and the window
costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    key: Hashable
    arrived: float
    """`time.monotonic()`, seconds."""
    future: Future[R] = field(default_factory=Future)


class Batcher(Generic[T, R]):
    """Runs `work` on batches, in a thread of its own. Safe to use from any thread.

    Items with different keys never share a batch. Where `work` raises, everybody in that
    batch gets the error, and the next batch is tried as if nothing had happened. A future
    that is cancelled before its batch starts costs the worker nothing.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R]],
        *,
        name: str,
        size: int,
        window_s: float = 0.0,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        """Start the worker.

        Args:
            work: N items in, N results out, in order.
            name: of the thread.
            size: items in a batch, at most.
            window_s: how long the first item of a batch waits for others, at most.
            observe: told the size and the seconds of every batch that ended well.
        """
        self._work = work
        self._size = size
        self._window_s = window_s
        self._observe = observe
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._worker = threading.Thread(target=self._run, name=name, daemon=True)
        self._worker.start()

    def submit(self, item: T, *, key: Hashable = None) -> Future[R]:
        """Queue one item.

        Raises:
            RuntimeError: the batcher was closed.
        """
        waiting: _Waiting[T, R] = _Waiting(item, key, time.monotonic())
        with self._changed:
            if self._closing:
                raise RuntimeError("this batcher is closed")
            self._waiting.append(waiting)
            self._changed.notify()
        return waiting.future

    @property
    def queued(self) -> int:
        """Items that wait for a batch, those cancelled meanwhile left out."""
        with self._changed:
            return sum(not w.future.cancelled() for w in self._waiting)

    def close(self, *, drop: bool = False) -> None:
        """Finish what was submitted, then stop; calling it twice is fine.

        Args:
            drop: cancel what has not begun.
        """
        with self._changed:
            self._closing = True
            for waiting in self._waiting if drop else ():
                waiting.future.cancel()
            self._changed.notify()
        self._worker.join()

    def _run(self) -> None:
        while batch := self._next():
            self._answer(batch)

    def _next(self) -> list[_Waiting[T, R]]:
        """The next batch, when it is due; empty once closed and done."""
        with self._changed:
            while True:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    return []
                self._await_company()
                if batch := self._take():
                    return batch

    def _await_company(self) -> None:
        due = self._waiting[0].arrived + self._window_s
        while len(self._waiting) < self._size and not self._closing:
            left = due - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _take(self) -> list[_Waiting[T, R]]:
        """The oldest item and those of its key, without the cancelled ones."""
        key = self._waiting[0].key
        batch: list[_Waiting[T, R]] = []
        others: deque[_Waiting[T, R]] = deque()
        while self._waiting and len(batch) < self._size:
            waiting = self._waiting.popleft()
            if waiting.key != key:
                others.append(waiting)
            elif waiting.future.set_running_or_notify_cancel():
                batch.append(waiting)
        others.extend(self._waiting)
        self._waiting = others
        return batch

    def _answer(self, batch: list[_Waiting[T, R]]) -> None:
        started = time.monotonic()
        try:
            results = self._work([waiting.item for waiting in batch])
        except BaseException as error:  # noqa: BLE001  whatever it is, it is theirs who asked
            for waiting in batch:
                waiting.future.set_exception(error)
            return
        if self._observe is not None:
            self._observe(len(batch), time.monotonic() - started)
        for waiting, result in zip(batch, results, strict=True):
            waiting.future.set_result(result)
