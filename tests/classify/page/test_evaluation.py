"""The page of an evaluation: one file, opened from the disk; what it shows against the numbers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from classify.answering.modes import MODE_NAMES, Mode
from classify.evaluation.evaluation import Evaluation, Exhibit, Shown, Subject, UnreadableQuery
from classify.evaluation.figures import figures_of, to_dict
from classify.evaluation.learning import LearningCurve, LearningPoint
from classify.evaluation.page.page import render
from classify.evaluation.predictions import Predictions
from tests.classify.page.browsing import PHONE, Visitor, line_of, window_for

Open = Callable[..., Visitor]
SERVICE = "http://127.0.0.1:8000"
NAMES = list(MODE_NAMES.values())
ODD = "</script><b>odd & “quoted”"
DRAWN_CLASSES, DRAWN_IN_MATRIX = 60, 84


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Writes the page of an evaluation, opens it from the disk, and sees that nothing went wrong.

    The file is all that it asks for, and the browser has nothing to say about it.
    """
    visitors: list[Visitor] = []

    def start(evaluation: Evaluation, **options: Any) -> Visitor:
        file = tmp_path / f"page-{len(visitors)}.html"
        page = render(evaluation, figures_of(evaluation), service=SERVICE)
        file.write_text(page, encoding="utf-8")
        asked: list[str] = []
        visitor = window_for(browser, file.as_uri(), **options)
        visitor.page.on("request", lambda request: asked.append(request.url))
        visitors.append(visitor)
        visitor.page.goto(visitor.url)
        expect(visitor.page.locator("h1")).to_have_text("How well “moths” answers")
        assert [url for url in asked if not url.startswith("data:image/jpeg;")] == [visitor.url]
        return visitor

    yield start
    for visitor in visitors:
        visitor.context.close()
    assert [visitor.unexpected() for visitor in visitors] == [[] for _ in visitors]


def evaluated(n_classes: int, *, queries: int = 400) -> Evaluation:
    """An evaluation of three modes that err differently, with everything that there can be."""
    labels = (ODD, *(f"species {i:04}" for i in range(1, n_classes)))
    near = np.arange(queries) < 5
    modes = {
        mode: _predictions(labels, queries, sure)
        for mode, sure in zip(Mode, (1.2, 1.5, 1.8), strict=True)
    }
    nearest = tuple(
        Shown(f"r{i}", labels[i % 2], 0.9 - i / 20, f"drawer/{i}.png", 0.8 - i / 30)
        for i in range(5)
    )
    exhibit = Exhibit("drawer/<odd>.png", labels[0], labels[1], 0.97, nearest, _jpeg("red"))
    return Evaluation(
        subject=Subject(
            "moths", "ab12cd", "dinov2, 224 px", 5000, n_classes, None, "moths/val", "as it is"
        ),
        names=[f"{i}.png" for i in range(queries)],
        near_duplicate=near,
        predictions=modes,
        mistakes={Mode.KNN: [exhibit, exhibit], Mode.LINEAR: [exhibit], Mode.AUTO: []},
        absent={"violet": 3},
        unreadable=[UnreadableQuery("x.png", "no picture")],
        thumbnails={f"r{i}": _jpeg("green") for i in range(4)},
        learning=LearningCurve(
            {name: _learned(0.5 + i / 10) for i, name in enumerate(("cosine", "learned"))}, 6, []
        ),
        settings={"k": 10, "vote": None, "where": []},
    )


def _predictions(labels: tuple[str, ...], queries: int, sure: float) -> Predictions:
    random, rows = np.random.default_rng(1), np.arange(queries)
    truth = random.integers(0, len(labels), queries)
    scores = random.gamma(0.3, size=(queries, len(labels))) / len(labels)
    scores[rows, truth] += random.random(queries) * sure
    scores[rows, truth ^ 1] += random.random(queries) * 0.4  # classes are taken for each other
    scores /= scores.sum(axis=1, keepdims=True)
    return Predictions(labels, truth, scores, np.argsort(-scores, axis=1, kind="stable"))


def _learned(first: float) -> list[LearningPoint]:
    return [
        LearningPoint(2**i, first + i / 20, first + i / 20 - 0.03, first + i / 20 + 0.02, ())
        for i in range(4)
    ]


def _jpeg(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (96, 96), colour).save(file, "JPEG")
    return file.getvalue()


def numbers(evaluation: Evaluation) -> dict[str, Any]:
    """What `--json` says, by mode."""
    modes: dict[str, Any] = to_dict(evaluation, figures_of(evaluation))["modes"]
    return modes


def section(visitor: Visitor, title: str) -> Locator:
    """A part of the page, by its heading."""
    return visitor.page.locator("section", has=visitor.page.get_by_role("heading", name=title))


def percent(share: float) -> str:
    """As the page writes it: halves are rounded up."""
    return f"{Decimal(100 * share).quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


def cells(table: Locator) -> list[list[str]]:
    """The texts of a table's rows."""
    rows: list[list[str]] = table.evaluate(
        """(table) => [...table.tBodies[0].rows].map(
            (row) => [...row.cells].map((cell) => cell.textContent))"""
    )
    return rows


def test_summaries__say_the_figures_of_each_mode(opened: Open) -> None:
    """Accuracy with its interval and everything below it; remarks, settings, what was asked."""
    evaluation = evaluated(6)
    visitor = opened(evaluation)
    for mode, figures in numbers(evaluation).items():
        card = visitor.page.get_by_role("region", name=MODE_NAMES[mode], exact=True)
        accuracy = figures["accuracy"]
        expect(card.locator(".big")).to_have_text(percent(accuracy["value"]))
        expect(card).to_contain_text(f"{percent(accuracy['low'])} to {percent(accuracy['high'])}")
        names, said = (card.locator(tag).all_text_contents() for tag in ("dt", "dd"))
        assert dict(zip(names, said, strict=True)) == {
            "without near-duplicates": percent(figures["without_duplicates"]["value"]),
            "macro accuracy": percent(figures["macro_accuracy"]),
            "macro F1": percent(figures["macro_f1"]),
            "among the first three": percent(figures["top3"]),
            "calibration error": percent(figures["calibration_error"]),
            "answered at 5 % errors": percent(figures["coverage_at_risk"]["0.05"]),
        }
        low, width = (
            float(card.locator(".span").evaluate(f"(node) => parseFloat(node.style.{side})"))
            for side in ("left", "width")
        )
        assert low == pytest.approx(100 * accuracy["low"], abs=0.01)
        assert low + width == pytest.approx(100 * accuracy["high"], abs=0.01)
    page = visitor.page
    expect(page.get_by_text("5 queries have the same picture, or nearly the same")).to_be_visible()
    expect(page.get_by_text("3 queries of classes that cannot be answered")).to_be_visible()
    expect(page.get_by_text("1 image could not be read.")).to_be_visible()
    expect(page.locator("footer")).to_contain_text("k 10.")
    expect(page.locator("header")).to_contain_text("encoderdinov2, 224 px")
    visitor.screenshot("evaluation")


def test_verdict__is_the_first_thing_that_is_said(opened: Open) -> None:
    """One sentence on top, what it rests on below, and the same in numbers."""
    evaluation = evaluated(6)
    said = to_dict(evaluation, figures_of(evaluation))["verdict"]
    visitor = opened(evaluation)
    verdict = visitor.page.get_by_role("region", name="Verdict")
    expect(verdict.locator(".sentence")).to_have_text(said["sentence"])
    expect(verdict).to_contain_text(f"{said['queries']} queries that every mode answered")
    assert (
        visitor.page.locator("main > :not(header)").first.get_attribute("aria-label") == "Verdict"
    )
    rows = cells(verdict.locator("table"))
    assert [row[:3] for row in rows] == [
        [MODE_NAMES[test["mode"]], str(test["only_this"]), str(test["only_other"])]
        for test in said["tests"]
    ]


def test_tabs__one_mode_at_a_time(opened: Open) -> None:
    """The one to use is in front; click and arrow keys show another, its mistakes first."""
    evaluation = evaluated(6)
    visitor = opened(evaluation)
    chosen = MODE_NAMES[to_dict(evaluation, figures_of(evaluation))["verdict"]["mode"]]
    tabs = visitor.page.get_by_role("tab")
    expect(tabs).to_have_text(NAMES)
    expect(visitor.page.get_by_role("tab", selected=True)).to_have_text(chosen)
    tab(visitor, "k-NN")
    panel = visitor.page.get_by_role("tabpanel")
    expect(panel).to_have_count(1)
    expect(panel).to_have_accessible_name("k-NN")
    expect(panel.locator("h3").first).to_have_text("The most confident mistakes")
    visitor.page.keyboard.press("ArrowRight")
    expect(panel).to_have_accessible_name(NAMES[1])
    expect(tabs.nth(1)).to_be_focused()
    visitor.page.keyboard.press("End")
    expect(panel).to_have_accessible_name(NAMES[-1])


def test_mistakes__lead_to_the_references(opened: Open) -> None:
    """Every reference that is shown is a link to the service's page; a file that is none is not."""
    visitor = opened(evaluated(6))
    tab(visitor, "k-NN")
    card = visitor.page.get_by_role("list", name="The most confident mistakes of k-NN")
    links = card.locator("> li").first.get_by_role("link")
    assert links.evaluate_all("(all) => all.map((link) => link.href)") == [
        f"{SERVICE}/#/reference/r{i}" for i in range(5)
    ]


def tab(visitor: Visitor, name: str) -> None:
    """Show the part of a mode."""
    visitor.page.get_by_role("tab", name=name, exact=True).click()


def test_reliability__is_drawn_from_the_bins(opened: Open) -> None:
    """A bar as high as the share that was right, a mark at the mean score, and both in a table."""
    evaluation = evaluated(6)
    visitor = opened(evaluation)
    for mode, figures in numbers(evaluation).items():
        bins = figures["calibration"]
        tab(visitor, MODE_NAMES[mode])
        diagram = visitor.page.get_by_role("img", name=f"Reliability: {MODE_NAMES[mode]}")
        whole = float(diagram.locator(".grid").last.get_attribute("y1") or 0)
        bottom = float(diagram.locator(".grid").first.get_attribute("y1") or 0)
        side = bottom - whole
        drawn = diagram.locator("rect.right").all()
        assert len(drawn) == len(bins)
        for bar, said, one in zip(drawn, diagram.locator(".said").all(), bins, strict=True):
            height = float(bar.get_attribute("height") or 0)
            assert height == pytest.approx(max(side * one["accuracy"], 1))
            level = bottom - float(said.get_attribute("y1") or 0)
            assert level == pytest.approx(side * one["confidence"])
        table = visitor.page.get_by_label(f"The bins of {MODE_NAMES[mode]}").locator("table")
        assert [row[1:] for row in cells(table)] == [
            [str(b["answers"]), percent(b["confidence"]), percent(b["accuracy"])] for b in bins
        ]


def test_errors__are_drawn_from_the_risks(opened: Open) -> None:
    """Every point of every curve; how far one can go with 5 % errors is marked, and in a table."""
    evaluation = evaluated(6)
    visitor = opened(evaluation)
    part = section(visitor, "Errors, if only the confident are answered")
    chart = part.get_by_role("img")
    modes = numbers(evaluation)
    for i, figures in enumerate(modes.values()):
        wanted = [(point["coverage"], point["risk"]) for point in figures["risk"]]
        assert line_of(chart, i) == [pytest.approx(point, abs=0.002) for point in wanted]
    words = part.locator(".mark title").all_text_contents()
    reached = [figures["coverage_at_risk"] for figures in modes.values()]
    assert words == [
        f"{name}: {percent(at['0.05'])} answered at 5 % errors"
        for name, at in zip(NAMES, reached, strict=True)
    ]
    assert cells(part.locator("table")) == [
        [percent(float(level)), *(percent(at[level]) for at in reached)]
        for level in ("0.01", "0.02", "0.05", "0.1")
    ]


@pytest.mark.parametrize("n_classes", [2, 6, 1000])
def test_classes__all_are_in_the_table_the_weakest_are_drawn(opened: Open, n_classes: int) -> None:
    """The least mean accuracy first, a mark for each mode where its accuracy is."""
    evaluation = evaluated(n_classes, queries=max(400, 4 * n_classes))
    visitor = opened(evaluation)
    part = section(visitor, "Class by class")
    by_label: dict[str, list[dict[str, Any]]] = {}
    for figures in numbers(evaluation).values():
        for one in figures["classes"]:
            by_label.setdefault(one["label"], []).append(one)
    order = sorted(by_label, key=lambda label: (_mean(by_label[label]), label))
    assert [(row[0], row[1]) for row in cells(part.locator("table"))] == [
        (label, str(by_label[label][0]["queries"])) for label in order
    ]
    worst = cells(part.locator("table"))[0]
    assert worst[2:] == [
        "not measured" if one[key] is None else percent(one[key])
        for one in by_label[order[0]]
        for key in ("accuracy", "precision", "f1")
    ]
    drawn = part.locator(".dots li:not(.scale)")
    expect(drawn).to_have_count(min(len(order), DRAWN_CLASSES))
    marks = drawn.first.locator(".mark").evaluate_all(
        "(marks) => marks.map((mark) => parseFloat(mark.style.left) / 100)"
    )
    assert marks == pytest.approx([one["accuracy"] for one in by_label[order[0]]])
    more = part.get_by_text(f"The {DRAWN_CLASSES} weakest of {len(order):,} classes are drawn.")
    expect(more).to_have_count(int(n_classes > DRAWN_CLASSES))


def _mean(figures: list[dict[str, Any]]) -> float:
    return sum(one["accuracy"] for one in figures) / len(figures)


@pytest.mark.parametrize("n_classes", [2, 6, 1000])
def test_confusion__every_cell_is_its_count(opened: Open, n_classes: int) -> None:
    """Small matrices in numbers; of a thousand classes, those with the most mistakes are drawn."""
    evaluation = evaluated(n_classes, queries=max(400, 4 * n_classes))
    visitor = opened(evaluation)
    figures = numbers(evaluation)["knn"]
    counts = {(c["truth"], c["answered"]): c["count"] for c in figures["confusions"]}
    predictions = evaluation.predictions[Mode.KNN]
    right = np.bincount(predictions.truth[predictions.correct], minlength=n_classes)
    counts |= {(k, k): int(n) for k, n in zip(predictions.labels, right, strict=True) if n}
    totals = {c["label"]: c["queries"] for c in figures["classes"]}
    tab(visitor, "k-NN")
    matrix = visitor.page.get_by_role("img", name="Confusion matrix of k-NN")
    words = matrix.locator("rect.cell title").all_text_contents()
    said = {
        (f"{truth}: {n} right" if truth == answered else f"{truth} answered as {answered}: {n}")
        + f" ({percent(n / totals[truth])})"
        for (truth, answered), n in counts.items()
    }
    if n_classes <= DRAWN_IN_MATRIX:
        assert set(words) == said
        drawn = matrix.locator("text.count").all_text_contents()
        assert sorted(map(int, drawn)) == sorted(counts.values())
    else:
        assert set(words) < said
        shown = matrix.locator("text[text-anchor=end]").all_text_contents()
        assert shown == sorted(shown)
        assert len(shown) == DRAWN_IN_MATRIX
        mistakes = dict.fromkeys(predictions.labels, 0)
        for (truth, answered), n in counts.items():
            if truth != answered:
                mistakes[truth] += n
                mistakes[answered] += n
        least = min(mistakes[label] for label in shown if label in mistakes)
        assert sum(n > least for n in mistakes.values()) <= DRAWN_IN_MATRIX
        seen = set(totals) | {answered for _, answered in counts}
        note = f"The {DRAWN_IN_MATRIX} classes with the most mistakes, of {len(seen):,}."
        expect(visitor.page.get_by_text(note).first).to_be_visible()
        visitor.screenshot("evaluation-1000")
    table = visitor.page.get_by_label("The commonest confusions of k-NN").locator("table")
    assert cells(table) == [
        [c["truth"], c["answered"], str(c["count"])] for c in figures["confusions"][:50]
    ]


def test_learning_curve__is_drawn_from_its_points(opened: Open) -> None:
    """A line per method, sizes doubling along the axis; the intervals are in the table."""
    evaluation = evaluated(6)
    visitor = opened(evaluation)
    part = section(visitor, "Would more references help?")
    curve = evaluation.learning
    assert curve is not None
    for i, points in enumerate(curve.points.values()):
        drawn = [y for _, y in line_of(part.get_by_role("img"), i)]
        assert drawn == pytest.approx([p.accuracy for p in points], abs=0.002)
    expect(part.get_by_role("img")).to_have_accessible_description(
        "With 8 references per class: cosine 65.0 %, learned 75.0 %."
    )
    assert cells(part.locator("table"))[0] == [
        "1", "50.0 % (47.0 % to 52.0 %)", "60.0 % (57.0 % to 62.0 %)",
    ]  # fmt: skip


def test_mistakes__with_the_pictures_that_misled(opened: Open) -> None:
    """The query and its neighbours as pictures; text is text, whatever it looks like."""
    visitor = opened(evaluated(6))
    tab(visitor, "k-NN")
    part = visitor.page.get_by_role("tabpanel")
    cards = part.get_by_role("list", name="The most confident mistakes of k-NN").locator("> li")
    expect(cards).to_have_count(2)
    expect(cards.first).to_contain_text(f"is{ODD}answeredspecies 0001score0.97")
    expect(cards.first).to_contain_text("<odd>.png")
    expect(cards.first.get_by_role("img")).to_have_count(5)
    assert cards.first.locator("img").evaluate_all(
        "(all) => all.every((image) => image.naturalWidth === 96)"
    )
    expect(cards.first.get_by_text("no picture")).to_have_count(1)
    expect(cards.first.locator(".neighbours li").first).to_have_attribute(
        "title", f"{ODD}, cosine 0.900, learned metric 0.800: drawer/0.png"
    )
    tab(visitor, "auto")
    expect(part).to_contain_text("auto made no mistake.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe__finds_nothing(opened: Open, scheme: str) -> None:
    """Names, roles, contrast and structure, with everything unfolded, in both colour schemes."""
    visitor = opened(evaluated(6), color_scheme=scheme)
    folds = visitor.page.locator("details")
    folds.evaluate_all("(all) => all.forEach((fold) => { fold.open = true; })")
    for name in NAMES:
        tab(visitor, name)
        visitor.screenshot(f"evaluation-{scheme}-{name}")
        assert visitor.violations() == []


def test_phone__nothing_has_to_be_scrolled_sideways(opened: Open) -> None:
    """The page fits the width of a phone; only tables and matrices scroll in themselves."""
    visitor = opened(evaluated(40), viewport=PHONE, has_touch=True, is_mobile=True)
    visitor.screenshot("evaluation-phone")
    widths = visitor.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths == [PHONE["width"], PHONE["width"]]


def test_print__shows_the_charts(opened: Open) -> None:
    """On paper there is nothing to unfold: everything that is drawn is there."""
    visitor = opened(evaluated(6))
    visitor.page.emulate_media(media="print")
    for image in visitor.page.locator("svg[role=img]").all():
        expect(image).to_be_visible()
    for fold in visitor.page.locator("details").all():
        expect(fold).to_be_hidden()
    expect(visitor.page.get_by_role("heading", name="k-NN").last).to_be_visible()


def test_script__that_is_not_the_page_s_own_does_not_run(opened: Open) -> None:
    """The file's own policy: no other script, no request."""
    visitor = opened(evaluated(2))
    visitor.expected += ["Content Security Policy", "TrustedScript"]
    visitor.page.evaluate(
        """() => {
            const script = document.createElement("script");
            document.body.append(script);
            try { script.text = "window.ran = true"; } catch { /* refused before it is there */ }
            return fetch("https://elsewhere.invalid/").catch(() => null);
        }"""
    )
    assert visitor.page.evaluate("window.ran") is None
    assert any("connect-src" in problem or "default-src" in problem for problem in visitor.problems)


def test_nothing_to_measure__is_said(opened: Open) -> None:
    """Without a query whose class is known there are no figures, and the page says so."""
    whole = evaluated(2, queries=4)
    nobody = np.full(4, -1)
    predictions = {
        mode: Predictions(p.labels, nobody, p.scores, p.ranking)
        for mode, p in whole.predictions.items()
    }
    visitor = opened(
        Evaluation(
            subject=whole.subject,
            names=whole.names,
            near_duplicate=np.zeros(4, dtype=np.bool_),
            predictions=predictions,
        )
    )
    expect(visitor.page.locator(".big")).to_have_text(["not measured"] * 3)
    visitor.screenshot("evaluation-nothing")


def test_near_duplicates_alone__have_no_accuracy_without_them(opened: Open) -> None:
    """Every query is in the gallery already: that line was not measured, the others were."""
    visitor = opened(replace(evaluated(2), near_duplicate=np.ones(400, dtype=np.bool_)))
    cards = visitor.page.locator(".summaries .panel")
    without = cards.get_by_text("without near-duplicates").locator("xpath=following-sibling::dd")
    expect(without).to_have_text(["not measured"] * 3)
    assert all(text.endswith(" %") for text in cards.locator(".big").all_text_contents())
