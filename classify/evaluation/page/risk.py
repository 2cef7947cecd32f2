"""Risk against coverage: how many errors are left if only the most confident are answered."""

from __future__ import annotations

from collections.abc import Mapping

from classify.answering.modes import MODE_NAMES, Mode
from classify.evaluation.figures import Figures
from classify.evaluation.page.chart import (
    Axis,
    Frame,
    data_table,
    legend,
    line,
    marker,
    path,
    percent,
    text,
)
from classify.evaluation.page.markup import Markup, element

WIDTH, HEIGHT = 1000, 380
COVERAGE_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
TARGET = 0.05
"""The error rate that is marked."""


def risk_coverage(figures: Mapping[Mode, Figures]) -> Markup:
    """A line per mode."""
    worst = max((p.risk for f in figures.values() for p in f.risk), default=0.0)
    ticks = _ticks(max(worst, TARGET * 1.2))
    frame = Frame(
        WIDTH,
        HEIGHT,
        x=Axis(0, 1, 62, WIDTH - 20, COVERAGE_TICKS, "queries answered, most confident first"),
        y=Axis(0, ticks[-1], HEIGHT - 52, 30, ticks, "errors among them"),
    )
    goal = frame.y.at(TARGET)
    lines = [
        line(frame.x.start, goal, frame.x.end, goal, class_="goal"),
        text(frame.x.start + 6, goal - 6, percent(TARGET) + " errors", class_="goal-name"),
    ]
    for i, (mode, f) in enumerate(figures.items()):
        points = [(frame.x.at(p.coverage), frame.y.at(p.risk)) for p in f.risk]
        lines.append(path(points, class_=f"curve {mode}"))
        reached = f.coverage_at_risk[TARGET]
        if reached:
            lines.append(
                marker(
                    i, frame.x.at(reached), goal, class_=f"mark {mode}",
                    tip=f"{MODE_NAMES[mode]}: {percent(reached)} answered",
                )
            )  # fmt: skip
    summary = "; ".join(
        f"{MODE_NAMES[mode]} answers {percent(f.coverage_at_risk[TARGET])} of the queries "
        f"at {percent(TARGET)} errors"
        for mode, f in figures.items()
    )
    return element(
        "figure",
        legend([MODE_NAMES[mode] for mode in figures], list(figures)),
        element(
            "div",
            frame.draw(lines, title="Risk against coverage", description=summary),
            class_="scroll",
        ),
        data_table(
            "Coverage at fixed error rates",
            ["errors at most", *(MODE_NAMES[mode] for mode in figures)],
            [
                (percent(risk), *(percent(f.coverage_at_risk[risk]) for f in figures.values()))
                for risk in next(iter(figures.values())).coverage_at_risk
            ],
        ),
    )


def _ticks(highest: float) -> list[float]:
    """From zero to a round number at or above `highest`, in four to eight steps."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2):
        if highest <= 6 * step:
            break
    n = max(int(-(-highest // step)), 1)
    return [round(i * step, 4) for i in range(n + 1)]
