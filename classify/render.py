"""Answers for people: a few lines a query, aligned, readable on a terminal and in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from classify.modes import MODE_NAMES, MetricName, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classify.answers import Answer, Evidence, QueryResult

INDENT = "  "


class Renderer:
    """Writes results to standard output; long lines are left to the terminal to wrap."""

    def __init__(self, *, evidence: int) -> None:
        """Show at most `evidence` neighbours of each answer."""
        self._console = Console(highlight=False, soft_wrap=True)
        self._evidence = evidence

    def show(self, result: QueryResult) -> None:
        """One query and its answer; nothing for a query without one."""
        if result.answer is None:
            return
        for line in self._lines(result.query, result.answer):
            self._console.print(line)

    def _lines(self, query: str, answer: Answer) -> Iterator[Text]:
        yield Text.assemble(
            (query, "bold"),
            "  ",
            (answer.label or "no answer", "bold green" if answer.label else "bold yellow"),
            f"  {answer.score:.3f}",
            (f"  ({_how(answer)})", "dim"),
        )
        if answer.known_as is not None:
            yield Text(
                f"{INDENT}this very picture is in the gallery as {answer.known_as}", "yellow"
            )
        if answer.runners_up:
            others = ", ".join(f"{s.label} {s.score:.3f}" for s in answer.runners_up)
            yield Text.assemble(INDENT, ("runners-up  ", "dim"), others)
        yield from _evidence_lines(answer.neighbours[: self._evidence], answer.label)
        hidden = len(answer.neighbours) - self._evidence
        if self._evidence and hidden > 0:
            yield Text(f"{INDENT}            and {hidden} more that voted", "dim")


def _evidence_lines(neighbours: tuple[Evidence, ...], answered: str | None) -> Iterator[Text]:
    width = max((cell_len(n.reference.label) for n in neighbours), default=0)
    for i, neighbour in enumerate(neighbours):
        label = neighbour.reference.label
        padding = " " * (width - cell_len(label))
        yield Text.assemble(
            INDENT,
            ("because of  " if i == 0 else "            ", "dim"),
            f"{neighbour.similarity:.3f}  ",
            "" if neighbour.learned is None else f"{neighbour.learned:.3f}  ",
            (label, "green" if label == answered else "red"),
            f"{padding}  ",
            (neighbour.reference.source, "dim"),
        )


def _how(answer: Answer) -> str:
    if answer.mode is Mode.LINEAR:
        return f"{MODE_NAMES[answer.mode]}, head {answer.head}"
    n = len(answer.neighbours)
    metric = "learned metric" if answer.metric is MetricName.LEARNED else "cosine"
    return f"{MODE_NAMES[answer.mode]}, {n} neighbour{'s' if n != 1 else ''}, {metric}"
