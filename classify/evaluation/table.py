"""An evaluation for people: tables on standard output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from classify.answering.modes import MODE_NAMES, Mode
from classify.evaluation.verdict import verdict_of
from head.report_tables import NOT_MEASURED, share
from holotype import console

if TYPE_CHECKING:
    from classify.evaluation.evaluation import Evaluation
    from classify.evaluation.figures import Figures
    from classify.evaluation.metrics import Interval

LINES = 5
"""Classes and confusions that are listed."""

Row = tuple[str, Callable[["Figures"], str]]

ROWS: Sequence[Row] = (
    ("queries", lambda f: f"{f.queries}"),
    ("accuracy", lambda f: _value(f.accuracy)),
    ("  95 % interval", lambda f: _interval(f.accuracy)),
    (
        "  without near-duplicates",
        lambda f: _value(f.without_duplicates) if f.near_duplicates else "",
    ),
    ("macro accuracy", lambda f: share(f.macro_accuracy)),
    ("macro F1", lambda f: share(f.macro_f1)),
    ("among the first 3", lambda f: share(f.top3)),
    ("calibration error, 15 bins", lambda f: share(f.calibration_error)),
    ("answered at 5 % errors", lambda f: share(f.coverage_at_risk[0.05], ".0%")),
    ("answered at 1 % errors", lambda f: share(f.coverage_at_risk[0.01], ".0%")),
)


def show(evaluation: Evaluation, figures: Mapping[Mode, Figures]) -> None:
    """Print the figures, the weakest classes, the commonest confusions and the curve."""
    page = console.for_people(soft_wrap=False)
    subject = evaluation.subject
    page.print(Text.assemble((subject.source, "bold"), f": {subject.method}"), soft_wrap=True)
    verdict = verdict_of(evaluation)
    if verdict is not None:
        page.print(Text(verdict.sentence, "bold"), soft_wrap=True)
    page.print(_overview(figures))
    for mode, mode_figures in figures.items():
        weakest = sorted(mode_figures.classes, key=lambda c: (c.accuracy, -c.queries))[:LINES]
        page.print(_classes(mode, [(c.label, c.queries, c.accuracy, c.f1) for c in weakest]))
        pairs = mode_figures.confusions[:LINES]
        page.print(_confusions(mode, [(p.truth, p.answered, p.count) for p in pairs]))
    if evaluation.learning:
        page.print(_learning(evaluation))


def _overview(figures: Mapping[Mode, Figures]) -> Table:
    table = Table("", *(MODE_NAMES[mode] for mode in figures), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, cell in ROWS:
        cells = [cell(f) for f in figures.values()]
        if any(cells):
            table.add_row(name, *cells)
    return table


def _classes(mode: Mode, rows: Sequence[tuple[str, int, float, float]]) -> Table:
    table = Table(
        "weakest classes", "queries", "accuracy", "F1",
        title=MODE_NAMES[mode], title_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    for label, queries, accuracy, f1 in rows:
        table.add_row(label, f"{queries}", f"{accuracy:.3f}", f"{f1:.3f}")
    return table


def _confusions(mode: Mode, rows: Sequence[tuple[str, str, int]]) -> Table:
    table = Table("class", "answered as", "times", box=None, pad_edge=False)
    for truth, answered, times in rows:
        table.add_row(truth, answered, f"{times}")
    if not rows:
        table.add_row(f"{MODE_NAMES[mode]} made no mistake", "", "")
    return table


def _learning(evaluation: Evaluation) -> Table:
    curve = evaluation.learning
    assert curve is not None
    table = Table(
        "references per class", *curve.points,
        title=f"macro accuracy, {curve.classes} classes", title_justify="left",
        box=None, pad_edge=False,
    )  # fmt: skip
    for points in zip(*curve.points.values(), strict=True):
        cells = [f"{p.accuracy:.3f} ({p.low:.3f} to {p.high:.3f})" for p in points]
        table.add_row(f"{points[0].per_class}", *cells)
    return table


def _value(interval: Interval | None) -> str:
    return share(None if interval is None else interval.value)


def _interval(interval: Interval | None) -> str:
    return NOT_MEASURED if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
