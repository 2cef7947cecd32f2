"""Heads: versions, what changed between two, promote, roll back, retrain."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from playwright.sync_api import Page, Route, expect

from classify.service.watched_job import Check
from head.options import RetrainOptions
from head.steps import Standing, Tell
from head.trust.calibration import Calibration
from holotype.errors import TooFewReferences
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, publish_head
from tests.classify.page.browsing import Visitor, line_of
from tests.classify.page.conftest import Serve, Visit
from tests.running import PATIENCE_S, TrainingHere

COUNT_ENABLED = """(button) => {
    window.enabled = 0;
    new MutationObserver(() => { window.enabled += button.disabled ? 0 : 1; })
        .observe(button, {attributes: true});
}"""
FIRST, SECOND = "20260101-000000-aaaa", "20260102-000000-bbbb"


LOOK_S = 0.05
ELAPSED = re.compile(r"^42 % · \d+ s · about \d+ s left$")


def bar_of(page: Page) -> tuple[float, float]:
    """Value and maximum of the bar."""
    bar = page.get_by_role("progressbar", name="Training")
    value, most = bar.evaluate("(bar) => [bar.value, bar.max]")
    return value, most


def without(*names: str) -> Callable[[Route], None]:
    """Answers of a service that does not know these fields yet."""

    def answer(route: Route) -> None:
        response = route.fetch()
        known = {name: v for name, v in response.json().items() if name not in names}
        route.fulfill(response=response, json=known)

    return answer


class WatchedTraining(TrainingHere):
    """The real job, which waits after its first word until the test has seen it."""

    def __init__(self, store: VectorStore) -> None:
        super().__init__(store)
        self.seen = threading.Event()

    def run(self, options: RetrainOptions, tell: Tell, check: Check) -> Mapping[str, Any]:
        """Say something, wait, train."""
        tell(Standing("waiting to be seen", 0.42))
        looks = int(PATIENCE_S / LOOK_S)
        assert any(self._is_seen(check) for _ in range(looks)), "nobody looked"
        return super().run(options, tell, check)

    def _is_seen(self, check: Check) -> bool:
        check()
        return self.seen.wait(LOOK_S)


class FailingTraining(TrainingHere):
    """A job that can do nothing."""

    def run(self, options: RetrainOptions, tell: Tell, check: Check) -> Mapping[str, Any]:
        """Fail."""
        del options, tell, check
        raise TooFewReferences("one class only: add references of another")


def published(
    store: VectorStore,
    version: str,
    labels: tuple[str, ...],
    *,
    calibration: Mapping[str, Any] | None = None,
    **recalls: float,
) -> None:
    """A head with a report; the last one published is active."""
    head = publish_head(store, *labels, version=version)
    counts = dict.fromkeys(labels, 6)
    macro = sum(recalls.values()) / len(recalls)
    figures = {
        "accuracy": macro,
        "macro_accuracy": macro,
        "macro_f1": macro,
        "standard_error": 0.03,
    }
    report = {
        "gallery": {"name": "default", "references": 6 * len(labels), "counts": counts},
        "winner": "lda",
        "candidates": [
            {"name": "lda", **figures, "log_loss": 0.5},
            {"name": "logistic, C = 1", **figures, "macro_accuracy": macro - 0.02, "log_loss": 0.6},
        ],
        "cross_validation": {"folds_scored": 5, "references_scored": 18, **figures},
        "classes": [{"label": k, "references": 6, "recall": r} for k, r in recalls.items()],
        "calibration": {"auto": {"answers": 18, "accuracy": 0.9, "calibration_error": 0.04}},
        "parameters": {"calibration": {"auto": calibration or fitted()}},
    }
    record = replace(head.record, report=report)
    store.save_head(replace(head.to_stored(), record=record))


def fitted() -> dict[str, Any]:
    """A calibration as a head stores it: the surest half of the answers is right."""
    scores = np.array([[4.0, 0, 0]] * 10 + [[1.0, 0, 0]] * 10)
    truth = np.array([0] * 10 + [0, 1] * 5)
    return Calibration.fit(scores, truth).to_json()


def held(store: VectorStore) -> None:
    """A version that lost against the one before."""
    head = publish_head(store, *COLOURS, version=FIRST)
    lost = {"label": "green", "references": 40, "champion": 0.9, "challenger": 0.6}
    reason = "12 fewer of 100 are right"
    comparison = {"champion": FIRST, "references": 100, "reason": reason, "regressions": [lost]}
    record = replace(
        head.record,
        version=SECOND,
        status="held",
        report={"classes": [], "comparison": comparison, "parameters": {}},
    )
    store.save_head(replace(head.to_stored(), record=record))


def two_versions(look: Visit, serve: Serve, store: VectorStore) -> Visitor:
    """A page with two heads; the second is active, better at red, worse at green."""
    published(store, FIRST, ("red", "green"), red=0.5, green=1.0)
    published(store, SECOND, tuple(COLOURS), red=0.75, green=0.8, blue=0.9)
    return look("heads", at=serve(store))


def test_list__versions_with_their_reports(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """The newest first; the active one is marked and open: figures, worst classes, candidates."""
    visitor = two_versions(look, serve, store_with_heads)
    heads = visitor.page.get_by_role("region", name="Versions", exact=True).get_by_role("article")
    expect(heads).to_have_count(2)
    active = heads.first
    expect(active.get_by_role("heading", level=2)).to_have_text(re.compile(f"{SECOND}\\s+active"))
    expect(active).to_contain_text("18 references · 3 classes · lda")
    expect(active).to_contain_text("81.7 ± 3.0 %")
    expect(active.locator(".bars .name").first).to_contain_text("red")
    expect(active.locator(".whiskers .chosen")).to_contain_text("lda")
    expect(active.get_by_role("row", name="Both, pooled")).to_contain_text("90.0 %4.0 %")
    curve = active.get_by_role("img", name="Errors against the share of queries")
    expect(curve.locator("polyline")).to_have_count(1)
    expect(active.get_by_role("button", name="Promote")).to_have_count(0)
    visitor.screenshot("heads")


def test_errors__are_those_that_were_seen(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """None among the surest half, a quarter of all: not one more, as the threshold counts."""
    visitor = two_versions(look, serve, store_with_heads)
    active = visitor.page.locator(".head.active")
    curve = active.get_by_role("img", name="Errors against the share of queries")
    assert line_of(curve) == [(0.5, 0.0), (1.0, 0.25)]
    expect(curve).to_have_accessible_description(
        "Both, pooled: 25.0 % errors where all are answered"
    )


def test_reliability__a_diagram_for_each_calibrated_mode(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """A bar per bin that has answers, and all of it in words for those who do not see it."""
    visitor = two_versions(look, serve, store_with_heads)
    active = visitor.page.locator(".head.active")
    diagram = active.get_by_role("img", name="Reliability: Both, pooled")
    bins = Calibration.from_json(fitted()).bins
    assert len(bins) == 2
    expect(diagram.locator("rect.right")).to_have_count(2)
    surest = f"10 answers, on average {100 * bins[1].confidence:.1f} % sure, 100.0 % right"
    expect(diagram).to_have_accessible_description(re.compile(f"; confidence .*: {surest}$"))
    heights = [
        float(bar.get_attribute("height") or 0) for bar in diagram.locator("rect.right").all()
    ]
    assert heights[0] / heights[1] == bins[0].accuracy == 0.5
    diagram.scroll_into_view_if_needed()
    visitor.screenshot("heads-reliability")


def test_reliability__of_a_head_without_bins_is_left_out(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """A head that was trained before bins were kept shows everything else."""
    without = fitted()
    del without["bins"]
    published(store_with_heads, FIRST, ("red", "green"), calibration=without, red=0.5, green=1.0)
    visitor = look("heads", at=serve(store_with_heads))
    active = visitor.page.locator(".head.active")
    expect(active.get_by_role("row", name="Both, pooled")).to_contain_text("90.0 %4.0 %")
    expect(active.get_by_role("img", name="Errors against the share of queries")).to_be_visible()
    expect(active.get_by_role("img", name="Reliability")).to_have_count(0)


def test_held__says_why_and_can_be_promoted_all_the_same(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """A head that is worse does not answer; what it lost is listed."""
    held(store_with_heads)
    visitor = look("heads", at=serve(store_with_heads))
    card = visitor.page.get_by_role("article", name=f"Head {SECOND}")
    expect(card.get_by_role("heading", level=2)).to_contain_text("held")
    expect(card).to_contain_text(f"Held, because against {FIRST} 12 fewer of 100 are right.")
    card.get_by_text("Report").click()
    expect(card.locator(".shifts li")).to_contain_text("90 % → 60 %")
    expect(card.get_by_role("button", name="Promote")).to_be_visible()
    changes = visitor.page.get_by_role("region", name="What changed")
    expect(changes.get_by_label("From")).to_have_value(FIRST)
    expect(changes.get_by_label("To")).to_have_value(SECOND)
    visitor.screenshot("heads-held")


def test_compare__what_changed(look: Visit, serve: Serve, store_with_heads: VectorStore) -> None:
    """The active head and the one before are compared; others can be chosen."""
    visitor = two_versions(look, serve, store_with_heads)
    changes = visitor.page.get_by_role("region", name="What changed")
    expect(changes.get_by_label("From")).to_have_value(FIRST)
    expect(changes.get_by_label("To")).to_have_value(SECOND)
    expect(changes).to_contain_text("75.0 % → 81.7 %")
    expect(changes).to_contain_text("New classes")
    rows = changes.locator(".shifts li")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("100 % → 80 %")
    expect(rows.nth(1)).to_contain_text("50 % → 75 %")
    changes.get_by_label("To").select_option(FIRST)
    expect(changes).to_contain_text("Choose two different versions.")
    changes.get_by_label("From").select_option(SECOND)
    expect(changes).to_contain_text("Classes that are gone")


def test_promote_and_roll_back__move_the_active_head(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """Each asks first, says what answers from now on, and shows it."""
    visitor = two_versions(look, serve, store_with_heads)
    page = visitor.page
    page.get_by_role("article", name=f"Head {FIRST}").get_by_role("button", name="Promote").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(visitor.said(f"Head {FIRST} answers from now on")).to_be_visible()
    expect(page.locator(".head.active h2")).to_contain_text(FIRST)
    active = store_with_heads.active_head()
    assert active is not None
    assert active.version == FIRST
    page.get_by_role("button", name="Roll back").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(SECOND)
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.locator(".head.active h2")).to_contain_text(SECOND)
    visitor.undo(f"Head {SECOND} answers from now on")
    expect(page.locator(".head.active h2")).to_contain_text(FIRST)


def test_retrain__shows_what_it_does_and_what_came_of_it(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """The first head: its steps while it runs, its report afterwards, without reloading."""
    job = WatchedTraining(store_with_heads)
    visitor = look("heads", at=serve(store_with_heads, job=job))
    page = visitor.page
    expect(page.get_by_text("No head was trained yet")).to_be_visible()
    start = page.get_by_role("button", name="Retrain now")
    start.evaluate(COUNT_ENABLED)
    start.click()
    expect(page.get_by_text("Training: waiting to be seen")).to_be_visible()
    assert bar_of(page) == (42, 100)
    expect(page.locator(".job .elapsed")).to_have_text(ELAPSED)
    expect(start).to_be_disabled()
    assert page.evaluate("window.enabled") == 0, "it could be pressed while the job ran"
    visitor.go("gallery")
    visitor.go("heads")
    expect(page.get_by_text("Training: waiting to be seen")).to_be_visible()
    job.seen.set()
    expect(page.locator(".job.done")).to_contain_text("answers from now on", timeout=60_000)
    expect(page.locator(".head.active .bars li")).to_have_count(3)
    expect(page.get_by_role("button", name="Retrain now")).to_be_enabled()
    assert store_with_heads.active_head() is not None
    visitor.screenshot("heads-trained")


def test_retrain__is_cancelled(look: Visit, serve: Serve, store_with_heads: VectorStore) -> None:
    """The head that answered goes on, nobody holds the lease, and another run may start."""
    published(store_with_heads, FIRST, tuple(COLOURS), red=0.9, green=0.8, blue=0.7)
    job = WatchedTraining(store_with_heads)
    visitor = look("heads", at=serve(store_with_heads, job=job))
    page = visitor.page
    page.get_by_role("button", name="Retrain now").click()
    expect(page.get_by_text("Training: waiting to be seen")).to_be_visible()
    visitor.screenshot("heads-training")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job.cancelled")).to_contain_text("What answered before goes on")
    expect(page.locator(".head.active h2")).to_contain_text(FIRST)
    assert [head.version for head in store_with_heads.heads()] == [FIRST]
    assert store_with_heads.acquire_lease("retrain", holder="next", seconds=1).holder == "next"
    store_with_heads.release_lease("retrain", holder="next")
    visitor.screenshot("heads-cancelled")
    job.seen.set()
    page.get_by_role("button", name="Retrain now").click()
    expect(page.locator(".job.done")).to_contain_text("answers from now on", timeout=60_000)


def test_retrain__on_a_service_that_gives_no_percentage(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """One of before: the bar shows that something is done, and the time that went by."""
    job = WatchedTraining(store_with_heads)
    visitor = look("heads", at=serve(store_with_heads, job=job))
    visitor.page.route("**/v1/retrain", without("percent", "elapsed_s", "eta_s"))
    visitor.page.get_by_role("button", name="Retrain now").click()
    expect(visitor.page.get_by_text("Training: waiting to be seen")).to_be_visible()
    bar = visitor.page.get_by_role("progressbar", name="Training")
    assert bar.evaluate("(bar) => bar.hasAttribute('value')") is False
    expect(visitor.page.locator(".job .elapsed")).to_have_text(re.compile(r"^\d+ s$"))
    job.seen.set()
    expect(visitor.page.locator(".job.done")).to_contain_text("answers", timeout=60_000)


def test_retrain__that_fails_says_why(look: Visit, serve: Serve, own_store: VectorStore) -> None:
    """The reason stays on the page, and it can be tried again."""
    visitor = look("heads", at=serve(own_store, job=FailingTraining(own_store)))
    visitor.page.get_by_role("button", name="Retrain now").click()
    expect(visitor.page.locator(".job.failed")).to_contain_text("add references of another")
    expect(visitor.page.get_by_role("button", name="Retrain now")).to_be_enabled()


def test_sixty_classes__the_worst_are_shown_the_rest_is_folded(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """A report of many classes stays readable."""
    labels = tuple(f"species number {i:02}" for i in range(60))
    ids = [r.id for r in store_with_heads.list_references(limit=18).references]
    for label, reference in zip(labels, ids, strict=False):
        store_with_heads.relabel(label, ids=[reference])
    recalls = {label: 0.4 + i / 100 for i, label in enumerate(labels)}
    published(store_with_heads, FIRST, labels[:18], **{k: recalls[k] for k in labels[:18]})
    visitor = look("heads", at=serve(store_with_heads))
    report = visitor.page.locator(".report section").first
    expect(report.locator("ol.bars").first.locator("li")).to_have_count(12)
    expect(report.locator("ol.bars").first.locator("li").first).to_contain_text("species number 00")
    report.get_by_text("6 more").click()
    expect(report.locator("li:visible")).to_have_count(18)
