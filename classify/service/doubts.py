"""Which queries are in doubt: unknown, or named differently by k-NN and by the head."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from classify.answers import Answer
from classify.modes import Mode
from classify.service.queries import Search, Upload
from classify.service.review import ReviewQueue
from holotype.errors import NoActiveHead

ABSTAINED, DISAGREE = "abstained", "modes disagree"

Classify = Callable[[Search], Awaitable[list[Answer]]]


class Doubts:
    """Keeps queries in doubt for review, where that is allowed."""

    def __init__(self, queue: ReviewQueue, classify: Classify) -> None:
        """Keep in `queue`; `classify` gives the second opinion."""
        self._queue = queue
        self._classify = classify

    async def examine(
        self, uploads: Sequence[Upload], search: Search, answers: Sequence[Answer]
    ) -> None:
        """Ask the other mode, and keep the queries in doubt.

        Args:
            uploads: Q files, those of `search`.
            search: Q vectors.
            answers: Q answers, as they were given.
        """
        if not self._queue.limit:
            return
        others = await self._second_opinion(search)
        for upload, answer, other in zip(uploads, answers, others, strict=True):
            reason = _doubt(answer, other)
            if reason is not None:
                await asyncio.to_thread(
                    self._queue.keep,
                    upload.data,
                    query=upload.name,
                    reason=reason,
                    answers=_said([answer, *([other] if other else [])]),
                )

    async def _second_opinion(self, search: Search) -> Sequence[Answer | None]:
        other = Mode.KNN if search.options.mode is Mode.LINEAR else Mode.LINEAR
        try:
            return await self._classify(
                replace(search, options=replace(search.options, mode=other))
            )
        except NoActiveHead:
            return [None] * len(search.vectors)


def _doubt(answer: Answer, other: Answer | None) -> str | None:
    if answer.label is None:
        return ABSTAINED
    if other is not None and other.label is not None and other.label != answer.label:
        return DISAGREE
    return None


def _said(answers: Sequence[Answer]) -> dict[str, list[dict[str, Any]]]:
    return {
        answer.mode.value: [{"label": s.label, "score": s.score} for s in answer.scores]
        for answer in answers
    }
