"""The frame that charts are drawn in: two axes, grid lines, tick labels, a description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from classify.evaluation.page.markup import Markup, Node, element
from head.report_tables import NOT_MEASURED

Format = Callable[[float], str]


def percent(value: float | None) -> str:
    """`0.125` as `12.5 %`, without digits that say nothing."""
    if value is None:
        return NOT_MEASURED
    text = f"{100 * value:.1f}".removesuffix(".0")
    return f"{text} %"


@dataclass(frozen=True, slots=True)
class Axis:
    """Values onto pixels."""

    low: float
    high: float
    start: float
    """Pixel of `low`."""
    end: float
    """Pixel of `high`."""
    ticks: Sequence[float]
    name: str
    format: Format = percent

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Frame:
    """A chart's size and axes."""

    width: int
    height: int
    x: Axis
    y: Axis

    def draw(self, *shapes: Node, title: str, description: str) -> Markup:
        """The chart with its grid, as a picture that a screen reader can announce."""
        return picture(
            self.width, self.height, self._grid(), shapes, title=title, description=description
        )

    def _grid(self) -> list[Markup]:
        x, y = self.x, self.y
        drawn = [
            *(line(x.at(t), y.start, x.at(t), y.end, class_="grid") for t in x.ticks),
            *(line(x.start, y.at(t), x.end, y.at(t), class_="grid") for t in y.ticks),
            *(text(x.at(t), y.start + 18, x.format(t), anchor="middle") for t in x.ticks),
            *(text(x.start - 8, y.at(t) + 4, y.format(t), anchor="end") for t in y.ticks),
            text((x.start + x.end) / 2, y.start + 38, x.name, anchor="middle", class_="axis"),
        ]
        if y.name:
            drawn.append(text(x.start, y.end - 12, y.name, class_="axis"))
        return drawn


def picture(width: int, height: int, *shapes: Node, title: str, description: str) -> Markup:
    """An SVG picture; the description stands for it where it cannot be seen."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        shapes,
        viewbox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=f"{title}. {description}",
    )


def text(
    x: float, y: float, words: str, *, anchor: str | None = None, class_: str | None = None
) -> Markup:
    """A line of text."""
    return element("text", words, x=float(x), y=float(y), text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, *, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def path(points: Iterable[tuple[float, float]], *, class_: str, closed: bool = False) -> Markup:
    """A line through points; closed, an area."""
    steps = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    return element("path", d=steps + (" Z" if closed else ""), class_=class_)


def box(
    x: float, y: float, width: float, height: float, *, class_: str, tip: str | None = None
) -> Markup:
    """A rectangle; the tip shows when a pointer rests on it."""
    return element(
        "rect",
        element("title", tip) if tip else None,
        x=float(x),
        y=float(y),
        width=float(max(width, 0.0)),
        height=float(max(height, 0.0)),
        class_=class_,
    )


MARKERS = ("circle", "square", "diamond", "triangle")
"""One shape per series, so that colour is not all that tells them apart."""


def marker(series: int, x: float, y: float, *, class_: str, tip: str | None = None) -> Markup:
    """The mark of a series at a point."""
    label = element("title", tip) if tip else None
    match MARKERS[series % len(MARKERS)]:
        case "circle":
            return element("circle", label, cx=float(x), cy=float(y), r=5.0, class_=class_)
        case "square":
            corners = [(-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)]
        case "diamond":
            corners = [(0.0, -6.0), (6.0, 0.0), (0.0, 6.0), (-6.0, 0.0)]
        case _:
            corners = [(0.0, -6.0), (5.5, 4.5), (-5.5, 4.5)]
    steps = " ".join(
        f"{'L' if i else 'M'}{x + a:.1f} {y + b:.1f}" for i, (a, b) in enumerate(corners)
    )
    return element("path", label, d=f"{steps} Z", class_=class_)


def legend(names: Sequence[str], classes: Sequence[str]) -> Markup:
    """Series by name, each with its mark and colour."""
    return element(
        "ul",
        (
            element(
                "li",
                element(
                    "svg",
                    marker(i, 8, 8, class_=f"mark {class_}"),
                    width=16,
                    height=16,
                    viewbox="0 0 16 16",
                    aria_hidden="true",
                ),
                name,
            )
            for i, (name, class_) in enumerate(zip(names, classes, strict=True))
        ),
        class_="legend",
    )


def data_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Node]]) -> Markup:
    """The figures behind a chart, folded away."""
    return element(
        "details",
        element("summary", caption),
        element(
            "div",
            element(
                "table",
                element("thead", element("tr", (element("th", h, scope="col") for h in heads))),
                element(
                    "tbody",
                    (
                        element(
                            "tr",
                            element("th", row[0], scope="row"),
                            (element("td", cell) for cell in row[1:]),
                        )
                        for row in rows
                    ),
                ),
            ),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label=caption,
        ),
    )
