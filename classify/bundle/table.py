"""Answers as a table in plain text: one line a query."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from holotype.characters import printable

if TYPE_CHECKING:
    from classify.answering.answers import Answer, LabelScore

WIDEST: Final = 48
"""Columns of a query's name or a label, at most; more of them are cut on the left."""

WORTH_A_WORD: Final = 0.01
"""Runners-up below this are left out; the JSON has them."""

_STATES: Final = ("answered", "unsure", "unknown")


class Table:
    """Lines of a table whose columns are as wide as what may stand in them."""

    def __init__(self, *, queries: Sequence[str], labels: Collection[str]) -> None:
        self._query = min(max([5, *(_width(query) for query in queries)]), WIDEST)
        self._label = min(max([5, *(_width(label) for label in labels)]), WIDEST)

    @property
    def heading(self) -> str:
        """Names of the columns."""
        state = "state".ljust(len(max(_STATES, key=len)))
        return (
            f"{_fitted('query', self._query)}  {state}  {_fitted('label', self._label)}  score  "
            f"{_fitted('or', self._label)}  score  looks like"
        )

    def row(self, query: str, answer: Answer) -> str:
        """The line of a query."""
        first, second = [*named(answer), None, None][:2]
        state = answer.state.ljust(len(max(_STATES, key=len)))
        cells = [_fitted(query, self._query), state]
        for score in (first, second):
            label = "" if score is None else score.label
            cells += [
                _fitted(label, self._label),
                "     " if score is None else f"{score.score:.3f}",
            ]
        return "  ".join([*cells, _looks_like(answer)]).rstrip()


def named(answer: Answer) -> list[LabelScore]:
    """The labels that are worth a word; of an unknown query none."""
    if answer.state == "unknown":
        return []
    first, *others = answer.scores
    return [first, *(score for score in others if score.score >= WORTH_A_WORD)]


def _looks_like(answer: Answer) -> str:
    if not answer.neighbours:
        return ""
    nearest = answer.neighbours[0]
    return f"{printable(nearest.source)} ({printable(nearest.label)}, {nearest.similarity:.2f})"


def _fitted(text: str, width: int) -> str:
    """Padded to so many columns; too long a text loses its beginning, which paths share."""
    shown = printable(text)
    while _width(shown) > width:
        shown = "…" + shown[2:]
    return shown + " " * (width - _width(shown))


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in printable(text)
    )
