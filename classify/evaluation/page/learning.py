"""Learning curve: whether more images per class would pay."""

from __future__ import annotations

import math

from classify.evaluation.learning import LearningCurve
from classify.evaluation.page.chart import Axis, Frame, data_table, legend, marker, path, percent
from classify.evaluation.page.markup import Markup, element

WIDTH, HEIGHT = 1000, 380


def learning(curve: LearningCurve) -> Markup:
    """A line with its interval per method; sizes double along the axis."""
    sizes = [p.per_class for p in next(iter(curve.points.values()))]
    last = math.log2(sizes[-1])
    lowest = min(p.low for points in curve.points.values() for p in points)
    floor = min(math.floor(10 * lowest), 8) / 10
    ticks = [i / 10 for i in range(round(10 * floor), 11)]
    frame = Frame(
        WIDTH,
        HEIGHT,
        x=Axis(
            0,
            last or 1.0,
            62,
            WIDTH - 24,
            [math.log2(size) for size in sizes],
            "references per class",
            lambda t: f"{2**t:.0f}",
        ),
        y=Axis(floor, 1, HEIGHT - 52, 30, ticks, "macro accuracy"),
    )
    bands, lines = [], []
    for i, points in enumerate(curve.points.values()):
        x = [frame.x.at(math.log2(p.per_class)) for p in points]
        series = f"series-{i}"
        upper = [(a, frame.y.at(p.high)) for a, p in zip(x, points, strict=True)]
        lower = [(a, frame.y.at(p.low)) for a, p in zip(x, points, strict=True)]
        bands.append(path([*upper, *reversed(lower)], class_=f"band {series}", closed=True))
        middle = [(a, frame.y.at(p.accuracy)) for a, p in zip(x, points, strict=True)]
        lines.append(path(middle, class_=f"curve {series}"))
        lines += [
            marker(
                i, a, b, class_=f"mark {series}",
                tip=f"{p.per_class} per class: {percent(p.accuracy)}",
            )
            for (a, b), p in zip(middle, points, strict=True)
        ]  # fmt: skip
    names = list(curve.points)
    best = max(names, key=lambda name: curve.points[name][-1].accuracy)
    return element(
        "figure",
        legend(names, [f"series-{i}" for i in range(len(names))]),
        element(
            "div",
            frame.draw(
                bands,
                lines,
                title="Learning curve",
                description=f"With {sizes[-1]} references per class, {best} reaches "
                f"{percent(curve.points[best][-1].accuracy)}.",
            ),
            class_="scroll",
        ),
        data_table(
            "The curve's figures",
            ["references per class", *names],
            [
                (
                    str(points[0].per_class),
                    *(
                        f"{percent(p.accuracy)} ({percent(p.low)} to {percent(p.high)})"
                        for p in points
                    ),
                )
                for points in zip(*curve.points.values(), strict=True)
            ],
        ),
    )
