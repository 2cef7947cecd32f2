"""Answers for people: a few lines a query, aligned, readable on a terminal and in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from classify.answering.modes import MODE_NAMES, MetricName, Mode
from holotype import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from classify.answering.answers import Answer, Evidence, LabelScore, Part, QueryResult

INDENT = "  "
HEADING = 12
"""Columns of what stands before a line: `because of`."""

PERHAPS = 3
"""Labels that an unsure answer names, at most."""

WORTH_A_WORD = 0.01
"""Runners-up below this are left out; the JSON has them."""


class Renderer:
    """Writes results to standard output; long lines are left to the terminal to wrap."""

    def __init__(self) -> None:
        self._console = console.for_people()

    def show(self, result: QueryResult) -> None:
        """One query and its answer; nothing for a query without one."""
        if result.answer is None:
            return
        for line in _lines(result.query, result.answer):
            self._console.print(line)


def _lines(query: str, answer: Answer) -> Iterator[Text]:
    yield Text.assemble((query, "bold"), "  ", _said(answer), (f"  ({_how(answer)})", "dim"))
    if answer.why:
        yield _line("because", answer.why)
    if answer.known_as is not None:
        yield Text(f"{INDENT}this very picture is in the gallery as {answer.known_as}", "yellow")
    if others := _named(answer)[1]:
        yield _line("runners-up", _scored(others))
    if answer.label_set is not None:
        yield _line("one of", ", ".join(answer.label_set))
    if answer.disagrees and answer.state != "unknown":
        yield _line("disagree", _parts(answer.parts), style="yellow")
    if answer.neighbours:
        # Those of a bundle in linear mode are shown, and did not vote.
        because = answer.voted and answer.state != "unknown"
        yield _line("because of" if because else "looks like", _share(answer))
        yield from _references(answer.neighbours, answer.best)
    if answer.class_neighbours:
        yield _line("beside it", f"the nearest references of {answer.best}")
        yield from _references(answer.class_neighbours, answer.best)


def _line(heading: str, words: str, *, style: str = "") -> Text:
    return Text.assemble(INDENT, (heading.ljust(HEADING), "dim"), (words, style))


def _said(answer: Answer) -> Text:
    """The state in words, with the labels that it names."""
    if answer.state == "unknown":
        like = "" if answer.best is None else f", looks most like {answer.best}"
        return Text(f"unknown{like}", "bold yellow")
    named, _ = _named(answer)
    if answer.state == "unsure":
        return Text(f"unsure, perhaps {_scored(named)}", "bold yellow")
    return Text.assemble((named[0].label, "bold green"), f"  {named[0].score:.3f}")


def _named(answer: Answer) -> tuple[Sequence[LabelScore], Sequence[LabelScore]]:
    """The labels that the headline names, and the others worth a word.

    Of an unknown query none: probabilities of known classes say nothing about it.
    """
    if answer.state == "unknown":
        return (), ()
    likely = [s for s in answer.scores[1:] if s.score >= WORTH_A_WORD]
    n = PERHAPS if answer.state == "unsure" else 1
    return (*answer.scores[:1], *likely[: n - 1]), likely[n - 1 :]


def _scored(scores: Sequence[LabelScore]) -> str:
    return ", ".join(f"{s.label} {s.score:.3f}" for s in scores)


def _parts(parts: Sequence[Part]) -> str:
    return ", ".join(
        f"{MODE_NAMES[part.mode]} says {part.label} {part.scores[0].score:.3f}"
        for part in parts
        if part.scores
    )


def _share(answer: Answer) -> str:
    """What the neighbours shown have to do with the answer; how near they are is in the JSON."""
    shown = len(answer.neighbours)
    agreeing = sum(one.label == answer.best for one in answer.neighbours)
    of_all = f"{agreeing} of the {shown} nearest references {'is' if agreeing == 1 else 'are'}"
    voted = f"; {answer.voted} voted" if answer.voted > shown else ""
    return f"{of_all} {answer.best}{voted}"


def _references(neighbours: Sequence[Evidence], answered: str | None) -> Iterator[Text]:
    width = max(cell_len(n.label) for n in neighbours)
    for neighbour in neighbours:
        label = neighbour.label
        yield Text.assemble(
            INDENT + " " * HEADING,
            (label, "green" if label == answered else "red"),
            " " * (width - cell_len(label) + 2),
            (neighbour.source, "dim"),
        )


def _how(answer: Answer) -> str:
    words = [MODE_NAMES[answer.mode]]
    if answer.voted:
        words.append(f"{answer.voted} neighbour{'s' if answer.voted != 1 else ''}")
        words.append("learned metric" if answer.metric is MetricName.LEARNED else "cosine")
    if answer.mode is not Mode.KNN and answer.head:
        words.append(f"head {answer.head}")
    if not answer.calibrated:
        words.append("not calibrated")
    return ", ".join(words)
