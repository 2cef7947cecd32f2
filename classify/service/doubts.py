"""Which queries are in doubt: unknown, or named differently by k-NN and by the head."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from classify.answers import Answer, Part
from classify.modes import Mode
from classify.service.queries import Search, Upload
from classify.service.review import ReviewQueue

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
        opinions = await self._of_both_modes(search, answers)
        for upload, answer, both in zip(uploads, answers, opinions, strict=True):
            reason = _doubt(answer, both)
            if reason is not None:
                await asyncio.to_thread(
                    self._queue.keep,
                    upload.data,
                    query=upload.name,
                    reason=reason,
                    answers=_said(both),
                )

    async def _of_both_modes(self, search: Search, answers: Sequence[Answer]) -> Sequence[Answer]:
        options = search.options
        if options.mode is Mode.AUTO:
            return answers
        both = replace(options, mode=Mode.AUTO, abstain_at=None, coverage=None)
        return await self._classify(replace(search, options=both))


def _doubt(answer: Answer, both: Answer) -> str | None:
    if answer.label is None:
        return ABSTAINED
    return DISAGREE if both.disagrees else None


def _said(both: Answer) -> dict[str, list[dict[str, Any]]]:
    said = both.parts or (Part(both.mode, both.scores),)
    return {part.mode.value: [score.to_dict() for score in part.scores] for part in said}
