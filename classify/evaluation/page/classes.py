"""Every class's accuracy, the weakest first, all modes on one line."""

from __future__ import annotations

from collections.abc import Mapping

from classify.answering.modes import MODE_NAMES, Mode
from classify.evaluation.figures import Figures
from classify.evaluation.metrics import ClassFigures
from classify.evaluation.page.chart import (
    Axis,
    Frame,
    data_table,
    legend,
    line,
    marker,
    percent,
    text,
)
from classify.evaluation.page.markup import Markup, element

ROW, DODGE = 26, 8
"""Pixels per class, and between the marks of two modes."""
WIDTH, LABELS, TOP = 1000, 240, 34
DRAWN = 60
"""Classes that are drawn, the weakest; the table has all."""
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
LONGEST = 30
"""Characters of a label that fit beside its line."""

Row = Mapping[Mode, ClassFigures]


def class_bars(figures: Mapping[Mode, Figures]) -> Markup:
    """A line per class with a mark per mode, and all figures in a table."""
    rows = _rows(figures)
    drawn = list(rows.items())[:DRAWN]
    height = TOP + ROW * len(drawn) + 46
    frame = Frame(
        WIDTH,
        height,
        x=Axis(0, 1, LABELS, WIDTH - 70, TICKS, "of the class's queries answered rightly"),
        y=Axis(0, 1, height - 46, TOP, (), ""),
    )
    shapes = [
        shape
        for i, (label, row) in enumerate(drawn)
        for shape in _row(frame, TOP + ROW * (i + 0.5), label, row)
    ]
    shapes.append(text(WIDTH - 8, TOP - 10, "queries", anchor="end", class_="axis"))
    weakest = drawn[0][0] if drawn else "none"
    return element(
        "figure",
        legend([MODE_NAMES[mode] for mode in figures], list(figures)),
        element(
            "div",
            frame.draw(
                shapes,
                title="Accuracy of each class",
                description=f"{len(rows)} classes; the weakest is {weakest}.",
            ),
            class_="scroll",
        ),
        element("p", f"The {DRAWN} weakest of {len(rows)} classes are drawn.", class_="note")
        if len(rows) > DRAWN
        else None,
        _table(figures, rows),
    )


def _rows(figures: Mapping[Mode, Figures]) -> dict[str, Row]:
    """Per label the figures of every mode; the least mean accuracy first."""
    rows: dict[str, dict[Mode, ClassFigures]] = {}
    for mode, f in figures.items():
        for c in f.classes:
            rows.setdefault(c.label, {})[mode] = c

    def strength(label: str) -> tuple[float, str]:
        accuracies = [c.accuracy for c in rows[label].values()]
        return sum(accuracies) / len(accuracies), label

    return {label: rows[label] for label in sorted(rows, key=strength)}


def _row(frame: Frame, y: float, label: str, row: Row) -> list[Markup]:
    x = [frame.x.at(c.accuracy) for c in row.values()]
    queries = next(iter(row.values())).queries
    return [
        text(LABELS - 12, y + 4, shortened(label, LONGEST), anchor="end", class_="label"),
        line(frame.x.start, y, max(x), y, class_="stem"),
        *(
            marker(
                i,
                frame.x.at(c.accuracy),
                y + DODGE * (i - (len(row) - 1) / 2),
                class_=f"mark {mode}",
                tip=f"{label}, {MODE_NAMES[mode]}: {percent(c.accuracy)} of {c.queries}",
            )
            for i, (mode, c) in enumerate(row.items())
        ),
        text(WIDTH - 8, y + 4, str(queries), anchor="end"),
    ]


def _table(figures: Mapping[Mode, Figures], rows: Mapping[str, Row]) -> Markup:
    heads = ["class", "queries"]
    for mode in figures:
        name = MODE_NAMES[mode]
        heads += [f"{name}: accuracy", f"{name}: precision", f"{name}: F1"]
    return data_table(
        "All classes",
        heads,
        [
            (
                label,
                next(iter(row.values())).queries,
                *(
                    cell
                    for c in row.values()
                    for cell in (percent(c.accuracy), percent(c.precision), f"{c.f1:.3f}")
                ),
            )
            for label, row in rows.items()
        ],
    )


def shortened(label: str, longest: int) -> str:
    """A label cut to what fits, with an ellipsis."""
    return label if len(label) <= longest else label[: longest - 1] + "…"
