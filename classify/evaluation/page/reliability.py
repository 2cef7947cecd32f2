"""Reliability diagram: what a score of 0.8 is worth."""

from __future__ import annotations

from classify.evaluation.figures import Figures
from classify.evaluation.metrics import wilson
from classify.evaluation.page.chart import Axis, Frame, box, data_table, line, percent
from classify.evaluation.page.markup import Markup, element
from head.report_tables import share
from head.trust.reliability import N_BINS, ReliabilityBin

WIDTH, HEIGHT = 400, 350
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
FULL_COUNT = 26
"""Pixels of the bar that counts the fullest bin."""


def reliability(figures: Figures, *, name: str, series: str) -> Markup:
    """Accuracy of each score bin against the diagonal, with counts below."""
    frame = Frame(
        WIDTH,
        HEIGHT,
        x=Axis(0, 1, 56, WIDTH - 28, TICKS, "score of the answer"),
        y=Axis(0, 1, HEIGHT - 84, 26, TICKS, "answered rightly"),
    )
    filled = figures.calibration
    most = max((b.answers for b in filled), default=1)
    shapes = [
        box(
            frame.x.at(b.low) + 1,
            frame.y.at(b.accuracy),
            frame.x.at(b.high) - frame.x.at(b.low) - 2,
            frame.y.at(0) - frame.y.at(b.accuracy),
            class_=f"bar {series}",
            tip=f"scores {b.low:.2f} to {b.high:.2f}: {b.answers} queries, "
            f"mean score {b.confidence:.2f}, right {b.accuracy:.2f}",
        )
        for b in filled
    ]
    means = [
        line(
            frame.x.at(b.low) + 1, frame.y.at(b.confidence), frame.x.at(b.high) - 1,
            frame.y.at(b.confidence), class_="said",
        )
        for b in filled
    ]  # fmt: skip
    intervals = [_interval(frame, b) for b in filled]
    counts = [
        box(
            frame.x.at(b.low) + 1,
            HEIGHT - FULL_COUNT * b.answers / most,
            frame.x.at(b.high) - frame.x.at(b.low) - 2,
            FULL_COUNT * b.answers / most,
            class_="count",
            tip=f"{b.answers} queries",
        )
        for b in filled
    ]
    diagonal = line(frame.x.at(0), frame.y.at(0), frame.x.at(1), frame.y.at(1), class_="ideal")
    chart = frame.draw(
        shapes,
        diagonal,
        intervals,
        means,
        counts,
        title=f"Reliability of {name}",
        description=f"Expected calibration error {share(figures.calibration_error)} over "
        f"{N_BINS} bins of equal width.",
    )
    return element(
        "figure",
        element("figcaption", f"{name}: calibration error {share(figures.calibration_error)}"),
        chart,
        data_table(
            "The bins",
            ["scores", "queries", "mean score", "right"],
            [
                (
                    f"{b.low:.2f} to {b.high:.2f}",
                    b.answers,
                    f"{b.confidence:.3f}",
                    percent(b.accuracy),
                )
                for b in filled
            ],
        ),
    )


def _interval(frame: Frame, b: ReliabilityBin) -> Markup:
    """How far the share that was right may be off, with so few queries."""
    share = wilson(round(b.accuracy * b.answers), b.answers)
    assert share is not None, "a bin has answers"
    x = frame.x.at((b.low + b.high) / 2)
    return line(x, frame.y.at(share.low), x, frame.y.at(share.high), class_="interval")
