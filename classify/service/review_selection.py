"""Which queries are in doubt: unknown, unsure, or named differently by k-NN and by the head.

They are looked at behind the back of the answers, which wait for nothing here and fail for
nothing here: where too many wait already, or the disk is full, a query is not kept, and that
is counted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from classify.answering.answers import Answer, Part
from classify.answering.modes import Mode

if TYPE_CHECKING:
    from classify.service.classification import SearchRequest, Upload
    from classify.service.metrics import Metrics
    from holotype.review_queue import ReviewQueue

DISAGREE = "modes disagree"

WAITING_REQUESTS = 256
"""Requests that wait to be looked at, at most."""

WAITING_BYTES = 64 << 20
"""Bytes of their pictures, at most; a single larger request is taken all the same."""

CLOSE_S = 5.0
"""How long an ending service goes on with those that wait, seconds."""

_log = logging.getLogger(__name__)

Classify = Callable[["SearchRequest"], "Future[list[Answer]]"]


class ReviewSelection:
    """Keeps queries in doubt for review, where that is allowed, in a thread of its own."""

    def __init__(self, queue: ReviewQueue, classify: Classify, metrics: Metrics) -> None:
        """Start, with what an earlier service kept.

        Args:
            queue: where they are kept.
            classify: gives the second class_scores.
            metrics: told what became of them.
        """
        self._queue = queue
        self._classify = classify
        self._metrics = metrics
        self._guard = threading.Lock()
        self._waiting: dict[Future[Any], int] = {}
        self._is_failing = self._is_closed = False
        # One thread: whatever it does, answers share the machine with no more than that.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="doubts")
        self._submit(queue.settle, size=0)

    def examine(
        self, uploads: Sequence[Upload], search: SearchRequest, answers: Sequence[Answer]
    ) -> None:
        """Have another mode asked, and queries in doubt kept, soon; never waits.

        Args:
            uploads: Q files, those of `search`.
            search: Q vectors.
            answers: Q answers, as they were given.
        """
        if not self._queue.limit:
            return
        size = sum(len(upload.data) for upload in uploads)
        if not self._submit(partial(self._keep, uploads, search, answers), size=size):
            self._metrics.doubted("dropped")

    def wait(self, timeout_s: float) -> None:
        """Wait until all that were shown so far have been looked at, at most so long."""
        with self._guard:
            waiting = list(self._waiting)
        wait(waiting, timeout=timeout_s)

    def close(self) -> None:
        """Go on for a few seconds with those that wait, then stop."""
        with self._guard:
            self._is_closed = True
        self.wait(CLOSE_S)
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], object], *, size: int) -> bool:
        """Have it done, unless too much waits already or this was closed."""
        with self._guard:
            held = sum(self._waiting.values())
            is_full = len(self._waiting) >= WAITING_REQUESTS or held + size > WAITING_BYTES
            if self._is_closed or (self._waiting and is_full):
                return False
            # The executor's future carries whatever goes wrong: no error ends the thread.
            future: Future[Any] = self._worker.submit(work)
            self._waiting[future] = size
        future.add_done_callback(self._ended)
        return True

    def _keep(
        self, uploads: Sequence[Upload], search: SearchRequest, answers: Sequence[Answer]
    ) -> None:
        opinions = self._of_both_modes(search, answers)
        for upload, answer, both in zip(uploads, answers, opinions, strict=True):
            reason = _doubt(answer, both)
            if reason is not None:
                self._queue.keep(upload.data, query=upload.name, reason=reason, answers=_said(both))
                self._metrics.doubted("kept")

    def _of_both_modes(self, search: SearchRequest, answers: Sequence[Answer]) -> Sequence[Answer]:
        options = search.options
        if options.mode is Mode.AUTO:
            return answers
        both = replace(options, mode=Mode.AUTO, abstain_at=None, coverage=None)
        return self._classify(replace(search, options=both)).result()

    def _ended(self, future: Future[Any]) -> None:
        with self._guard:
            del self._waiting[future]
        if future.cancelled():
            self._metrics.doubted("dropped")
            return
        error = future.exception()
        if error is not None:
            self._metrics.doubted("failed")
            if not self._is_failing:  # a full disk is said once, not for every query
                _log.warning("queries in doubt are not kept for review: %s", error)
        self._is_failing = error is not None


def _doubt(answer: Answer, both: Answer) -> str | None:
    """The state of the answer, where that is a doubt, or that the modes disagree."""
    if answer.state != "answered":
        return answer.state
    return DISAGREE if both.disagrees else None


def _said(both: Answer) -> dict[str, list[dict[str, Any]]]:
    said = both.parts or (Part(both.mode, both.scores),)
    return {part.mode.value: [asdict(score) for score in part.scores] for part in said}
