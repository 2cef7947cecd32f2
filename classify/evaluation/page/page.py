"""Puts the page together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from classify.answering.modes import MODE_NAMES, Mode
from classify.evaluation.evaluation import Evaluation
from classify.evaluation.figures import Figures
from classify.evaluation.metrics import Interval
from classify.evaluation.page.chart import percent
from classify.evaluation.page.classes import class_bars
from classify.evaluation.page.confusion import confusion
from classify.evaluation.page.learning import learning
from classify.evaluation.page.markup import Markup, Node, element
from classify.evaluation.page.mistakes import mistakes
from classify.evaluation.page.reliability import reliability
from classify.evaluation.page.risk import risk_coverage
from head.report_tables import NOT_MEASURED, share

STYLE = Path(__file__).with_name("style.css")


def render(evaluation: Evaluation, figures: Mapping[Mode, Figures]) -> str:
    """The whole page as HTML."""
    title = f"{evaluation.subject.gallery}: how well it answers"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    body = element(
        "body",
        element("a", "Skip to the figures", href="#figures", class_="skip"),
        _header(evaluation),
        element("main", _sections(evaluation, figures), id="figures"),
        _footer(evaluation),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _sections(evaluation: Evaluation, figures: Mapping[Mode, Figures]) -> list[Node]:
    sections: list[Node] = [
        element("div", (_summary(mode, f) for mode, f in figures.items()), class_="summaries"),
        _remarks(evaluation, figures),
        _section(
            "What a score is worth",
            "Bars: how often answers of that score were right. Short lines: the score they had. "
            "Where both meet, a score is a probability. Thin lines: 95 % intervals; grey: how many "
            "queries.",
            element(
                "div",
                (
                    reliability(f, name=MODE_NAMES[mode], series=mode.value)
                    for mode, f in figures.items()
                ),
                class_="side-by-side",
            ),
        ),
        _section(
            "Errors, if only the confident are answered",
            "From left to right, less and less confident answers are let through. The mark shows "
            "how far one can go with 5 % errors.",
            risk_coverage(figures),
        ),
        _section(
            "Class by class",
            "The weakest first. More references of these, or a look at their labels, pay most.",
            class_bars(figures),
        ),
        _section(
            "What is taken for what",
            "Rows are true classes, columns the answers. Green on the diagonal is right.",
            *(confusion(f, name=MODE_NAMES[mode]) for mode, f in figures.items()),
        ),
    ]
    if evaluation.learning:
        sections.append(
            _section(
                "Would more references help?",
                f"References drawn from the gallery, {evaluation.learning.classes} classes; "
                "shaded: 95 % interval of the mean over draws.",
                learning(evaluation.learning),
            )
        )
    sections.append(
        _section(
            "The most confident mistakes",
            "Each with the nearest references: the evidence that misled. A wrong label in the "
            "gallery shows up here first.",
            *(
                part
                for mode, exhibits in evaluation.mistakes.items()
                for part in (
                    element("h3", MODE_NAMES[mode]),
                    mistakes(exhibits, evaluation.thumbnails, name=MODE_NAMES[mode]),
                )
            ),
        )
    )
    return sections


def _section(title: str, words: str, *content: Node) -> Markup:
    return element("section", element("h2", title), element("p", words, class_="lead"), content)


def _header(evaluation: Evaluation) -> Markup:
    subject = evaluation.subject
    return element(
        "header",
        element("p", "Holotype", class_="brand"),
        element("h1", f"How well “{subject.gallery}” answers"),
        element("p", f"{subject.source}: {subject.method}.", class_="lead"),
        element(
            "dl",
            (
                element("div", element("dt", name), element("dd", value))
                for name, value in (
                    ("queries", f"{len(evaluation.names):,}"),
                    ("references", f"{subject.references:,}"),
                    ("classes", f"{subject.classes:,}"),
                    ("encoder", subject.backbone),
                    ("head", subject.head or "none"),
                    ("fingerprint", subject.fingerprint),
                )
            ),
            class_="facts",
        ),
    )


def _summary(mode: Mode, f: Figures) -> Markup:
    rows = [
        ("macro accuracy", percent(f.macro_accuracy)),
        ("macro F1", share(f.macro_f1)),
        ("among the first three", percent(f.top3)),
        ("calibration error", share(f.calibration_error)),
        ("answered at 5 % errors", percent(f.coverage_at_risk[0.05])),
    ]
    if f.near_duplicates:
        rows.insert(0, ("without near-duplicates", _value(f.without_duplicates)))
    return element(
        "section",
        element("h2", MODE_NAMES[mode]),
        element("p", _value(f.accuracy), class_="big"),
        element("p", "accuracy, 95 % interval ", _range(f.accuracy), class_="note"),
        None if f.accuracy is None else _whisker(f.accuracy),
        element(
            "dl", (element("div", element("dt", a), element("dd", b)) for a, b in rows),
        ),
        class_=f"summary {mode.value}",
        aria_label=MODE_NAMES[mode],
    )  # fmt: skip


def _value(interval: Interval | None) -> str:
    return percent(None if interval is None else interval.value)


def _range(interval: Interval | None) -> str:
    if interval is None:
        return NOT_MEASURED
    return f"{percent(interval.low)} to {percent(interval.high)}"


def _whisker(interval: Interval) -> Markup:
    left, width = 100 * interval.low, 100 * (interval.high - interval.low)
    return element(
        "div",
        element("span", class_="reach", style=f"left:{left:.1f}%;width:{width:.1f}%"),
        element("span", class_="point", style=f"left:{100 * interval.value:.1f}%"),
        class_="whisker",
        aria_hidden="true",
    )


def _remarks(evaluation: Evaluation, figures: Mapping[Mode, Figures]) -> Markup | None:
    remarks = list(evaluation.remarks)
    near = int(evaluation.near_duplicate.sum())
    if near:
        remarks.append(
            f"{near} queries have the same picture, or nearly the same, in the gallery; the line "
            "“without near-duplicates” leaves them out."
        )
    if evaluation.absent:
        n, classes = sum(evaluation.absent.values()), ", ".join(sorted(evaluation.absent))
        remarks.append(f"{n} queries of classes that cannot be answered are left out: {classes}.")
    if evaluation.unreadable:
        remarks.append(f"{len(evaluation.unreadable)} images could not be read.")
    if Mode.LINEAR not in figures and evaluation.subject.source != "leave-one-out":
        remarks.append("No head has been trained: only k-NN is shown.")
    if not remarks:
        return None
    return element(
        "aside", element("ul", (element("li", r) for r in remarks)), aria_label="Remarks"
    )


def _footer(evaluation: Evaluation) -> Markup:
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    settings = ", ".join(
        f"{key} {value}" for key, value in evaluation.settings.items() if value not in (None, [])
    )
    return element(
        "footer",
        element("p", f"Made {when}. {settings}."),
        element(
            "p",
            "Accuracy interval: Wilson. Calibration error: mean distance of score and accuracy "
            "over bins of equal width. Macro figures are means over classes.",
        ),
    )
