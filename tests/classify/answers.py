"""Answers that no gallery gave, for what is done with them."""

from __future__ import annotations

from classify.answering.answers import Answer, LabelScore
from classify.answering.modes import Mode


def answer(label: str | None, *others: str, score: float = 0.9, head: str | None = None) -> Answer:
    """An answer with no evidence: a label or None for unknown, then the runners-up."""
    return Answer(
        mode=Mode.KNN,
        state="answered" if label else "unknown",
        label=label,
        score=score,
        calibrated=False,
        why=None if label else "too strange",
        runners_up=tuple(LabelScore(other, score / (i + 2)) for i, other in enumerate(others)),
        label_set=None,
        novelty=None,
        parts=(),
        disagrees=False,
        neighbours=(),
        class_neighbours=(),
        voted=0,
        metric=None,
        head=head,
        known_as=None,
        notices=(),
    )
