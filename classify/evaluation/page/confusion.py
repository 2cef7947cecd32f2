"""Confusion matrix: which class is taken for which."""

from __future__ import annotations

from collections.abc import Mapping

from classify.evaluation.figures import Figures
from classify.evaluation.page.chart import box, data_table, percent, picture, text
from classify.evaluation.page.classes import shortened
from classify.evaluation.page.markup import Markup, element

LARGEST = 760
"""Pixels of the matrix's side, at most."""
CELL_MAX, CELL_MIN = 28.0, 9.0
NUMBERED = 19.0
"""A cell of this many pixels has room for its count."""
LABEL_SPACE = 150
OVERHANG = 80
"""Room to the right for the last slanted label."""
LONGEST = 20
"""Characters of a label beside the matrix."""
SHADES = 6
"""Steps of the colour scale."""
MOST_CLASSES = int(LARGEST / CELL_MIN)


def confusion(figures: Figures, *, name: str) -> Markup:
    """Rows are true classes, columns what was answered; shares of the row as shade."""
    counts = _counts(figures)
    labels = _labels(figures)
    shown = labels[:MOST_CLASSES]
    matrix = _drawn(counts, sorted(shown), name)
    return element(
        "figure",
        element("figcaption", name),
        element("div", matrix, class_="scroll"),
        element(
            "p",
            f"The {MOST_CLASSES} classes with the most mistakes, of {len(labels)}.",
            class_="note",
        )
        if len(labels) > len(shown)
        else None,
        data_table(
            "The commonest confusions",
            ["class", "answered as", "times"],
            [(c.truth, c.answered, c.count) for c in figures.confusions[:50]],
        ),
    )


def _counts(figures: Figures) -> dict[tuple[str, str], int]:
    counts = {(c.truth, c.answered): c.count for c in figures.confusions}
    for c in figures.classes:
        counts[c.label, c.label] = round(c.accuracy * c.queries)
    return counts


def _labels(figures: Figures) -> list[str]:
    """All that were true or answered, those in most mistakes first."""
    mistakes: dict[str, int] = {c.label: 0 for c in figures.classes}
    for c in figures.confusions:
        for label in (c.truth, c.answered):
            mistakes[label] = mistakes.get(label, 0) + c.count
    return sorted(mistakes, key=lambda label: (-mistakes[label], label))


def _drawn(counts: Mapping[tuple[str, str], int], labels: list[str], name: str) -> Markup:
    cell = min(CELL_MAX, max(CELL_MIN, LARGEST / max(len(labels), 1)))
    side = cell * len(labels)
    place = {label: i for i, label in enumerate(labels)}
    totals: dict[str, int] = {}
    for (truth, _), n in counts.items():
        totals[truth] = totals.get(truth, 0) + n
    shapes: list[Markup] = [
        box(LABEL_SPACE, LABEL_SPACE, side, side, class_="matrix"),
        *_names(labels, cell),
    ]
    for (truth, answered), n in counts.items():
        if n and truth in place and answered in place:
            x = LABEL_SPACE + cell * place[answered]
            y = LABEL_SPACE + cell * place[truth]
            shapes += _cell(x, y, cell, n, n / totals[truth], truth, answered)
    width, height = int(LABEL_SPACE + side + OVERHANG), int(LABEL_SPACE + side + 4)
    return picture(
        width, height, shapes,
        title=f"Confusion matrix of {name}",
        description="Rows are true classes, columns the answers. "
        "The table below lists the commonest confusions.",
    )  # fmt: skip


def _names(labels: list[str], cell: float) -> list[Markup]:
    drawn = []
    for i, label in enumerate(labels):
        middle = LABEL_SPACE + cell * (i + 0.5)
        short = shortened(label, LONGEST)
        pixels = min(12.0, cell * 0.95)
        size, lower = f"font-size:{pixels:.1f}px", pixels * 0.35
        drawn.append(
            element(
                "text", short, x=LABEL_SPACE - 6.0, y=middle + lower, text_anchor="end",
                style=size, class_="label",
            )
        )  # fmt: skip
        drawn.append(
            element(
                "text", short, style=size, class_="label",
                transform=f"translate({middle + lower:.1f} {LABEL_SPACE - 6}) rotate(-60)",
            )
        )  # fmt: skip
    return drawn


def _cell(
    x: float, y: float, cell: float, n: int, share: float, truth: str, answered: str
) -> list[Markup]:
    right = truth == answered
    shade = max(1, min(SHADES, int(share * SHADES) + (share * SHADES % 1 > 0)))
    tip = (
        f"{truth}: {n} right ({percent(share)})"
        if right
        else f"{truth} answered as {answered}: {n} ({percent(share)})"
    )
    kind = "right" if right else "wrong"
    drawn = [box(x + 0.5, y + 0.5, cell - 1, cell - 1, class_=f"{kind} shade-{shade}", tip=tip)]
    if cell >= NUMBERED:
        ink = "on-dark" if shade > SHADES / 2 else "on-light"
        drawn.append(
            text(x + cell / 2, y + cell / 2 + 4, str(n), anchor="middle", class_=f"n {ink}")
        )
    return drawn
