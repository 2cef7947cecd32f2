"""Review: queries in doubt, labelled and added in a click or two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.page.browsing import REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import swapped
from tests.running import PATIENCE_S, Running

Doubting = Callable[..., Visitor]


@pytest.fixture
def doubts(look: Visit, serve: Serve, store_with_heads: VectorStore) -> Doubting:
    """Opens Review on a service whose head takes red for green: `doubts("red", "green")`."""
    swapped(store_with_heads)

    def start(*colours: str) -> Visitor:
        service: Running = serve(store_with_heads, keep_queries=20)
        for i, colour in enumerate(colours):
            files = [("images", (f"{i}-{colour}.png", picture(colour, 600 + i)))]
            assert service.http.post("/v1/classify", files=files).status_code == 200
        service.service.review_selection.wait(PATIENCE_S)
        return look("review", at=service)

    return start


def test_one__is_added_under_a_suggestion_with_one_click(
    doubts: Doubting, store_with_heads: VectorStore
) -> None:
    """What each mode said is offered, with who said it; the row leaves, the keyboard goes on."""
    visitor = doubts("red", "red")
    page = visitor.page
    expect(page.get_by_role("link", name="Review 2")).to_be_visible()
    row = page.get_by_role("listitem").filter(has_text="1-red.png")
    expect(row).to_contain_text("neighbours and head disagree")
    expect(row.get_by_role("button", name="Add as green")).to_contain_text("head")
    row.get_by_role("button", name="Add as red").click()
    expect(visitor.said("1 query added as “red”")).to_be_visible()
    expect(page.get_by_role("link", name="Review 1")).to_be_visible()
    expect(page.locator(".review > li").first.get_by_role("button").first).to_be_focused()
    assert store_with_heads.counts()["red"] == 7


def test_several__two_clicks_for_one_label(doubts: Doubting, store_with_heads: VectorStore) -> None:
    """One click selects all of a suggestion, one adds them."""
    visitor = doubts("red", "red", "red", "green")
    visitor.screenshot("review")
    visitor.page.get_by_role("button", name="Select red 3").click()
    visitor.screenshot("review-selected")
    visitor.page.get_by_role("button", name="Add 3 as red").click()
    expect(visitor.said("3 queries added as “red”")).to_be_visible()
    expect(visitor.page.locator(".review > li")).to_have_count(1)
    assert store_with_heads.counts() == {"red": 9, "green": 6, "blue": 6}


def test_several__two_clicks_for_all_of_them(
    doubts: Doubting, store_with_heads: VectorStore
) -> None:
    """Everything is selected, and each goes under its own best suggestion."""
    visitor = doubts("red", "green", "red")
    visitor.page.get_by_label("Select all 3").check()
    visitor.page.get_by_role("button", name="Add each under its best suggestion").click()
    expect(visitor.said("3 queries added")).to_be_visible()
    expect(visitor.page.get_by_text("Nothing to review")).to_be_visible()
    expect(visitor.page.get_by_role("heading", level=1)).to_be_focused()
    assert store_with_heads.counts() == {"red": 8, "green": 7, "blue": 6}


def test_own_label__for_one_and_for_several(
    doubts: Doubting, store_with_heads: VectorStore
) -> None:
    """Where no suggestion is right, a label is typed."""
    visitor = doubts("red", "red", "red")
    page = visitor.page
    page.get_by_label("Label for 0-red.png").fill("ruby")
    page.get_by_label("Label for 0-red.png").press("Enter")
    expect(visitor.said("1 query added as “ruby”")).to_be_visible()
    page.get_by_label("Select all 2").check()
    page.get_by_label("Label for the selected").fill("garnet")
    page.get_by_role("button", name="Add selected").click()
    expect(visitor.said("2 queries added as “garnet”")).to_be_visible()
    assert store_with_heads.counts() == {"red": 6, "green": 6, "blue": 6, "ruby": 1, "garnet": 2}


def test_discard__adds_nothing(doubts: Doubting, store_with_heads: VectorStore) -> None:
    """A picture that is of no use leaves the queue, and that is all."""
    visitor = doubts("red", "green")
    visitor.page.get_by_role("button", name="Discard", exact=True).first.click()
    expect(visitor.page.locator(".review > li")).to_have_count(1)
    visitor.page.get_by_label("Select all 1").check()
    visitor.page.get_by_role("button", name="Discard the selected").click()
    expect(visitor.page.get_by_text("Nothing to review")).to_be_visible()
    assert store_with_heads.counts() == {"red": 6, "green": 6, "blue": 6}


def test_conflict__is_shown_with_a_choice(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """What was added elsewhere meanwhile is not relabelled unasked; others go in all the same."""
    swapped(store_with_heads)
    service = serve(store_with_heads, keep_queries=20)
    for name, seed in (("a.png", 620), ("b.png", 621), ("c.png", 622)):
        service.http.post("/v1/classify", files={"images": (name, picture("red", seed))})
    service.service.review_selection.wait(PATIENCE_S)
    visitor = look("review", at=service)
    page = visitor.page
    for name, seed in (("a.png", 620), ("b.png", 621)):
        form = {"images": (name, picture("red", seed))}
        service.http.post("/v1/references", files=form, data={"label": "garnet"})
    page.get_by_label("Select all 3").check()
    page.get_by_role("button", name="Add 3 as red").click()
    expect(visitor.said("1 query added as “red”")).to_be_visible()
    expect(visitor.said("2 queries are in the gallery under another label")).to_be_visible()
    rows = page.locator(".review > li")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("This very picture is in the gallery as garnet, not red.")
    expect(rows.first.get_by_role("button", name="Keep garnet")).to_be_focused()
    assert store_with_heads.counts() == {"red": 7, "green": 6, "blue": 6, "garnet": 2}
    visitor.screenshot("review-conflict")
    rows.filter(has_text="a.png").get_by_role("button", name="Keep garnet").click()
    expect(visitor.said("Left in the gallery as “garnet”")).to_be_visible()
    rows.filter(has_text="b.png").get_by_role("button", name="Change it to red").click()
    expect(visitor.said("“garnet” was changed to “red”")).to_be_visible()
    expect(page.get_by_text("Nothing to review")).to_be_visible()
    assert store_with_heads.counts() == {"red": 8, "green": 6, "blue": 6, "garnet": 1}


def test_many__are_shown_a_page_at_a_time(look: Visit, serve: Serve) -> None:
    """A hundred at first; the rest when it is asked for, or when the page is empty."""
    service = serve(keep_queries=500)
    for seed in range(103):
        service.service.review.keep(
            picture("red", 700 + seed), query=f"{seed}.png", reason="abstained", answers={}
        )
    visitor = look("review", at=service)
    page, rows = visitor.page, visitor.page.locator(".review > li")
    expect(page.get_by_role("link", name="Review 103")).to_be_visible()
    expect(rows).to_have_count(100)
    expect(page.get_by_label("Select all 100 shown")).to_be_visible()
    page.get_by_role("button", name="Show more of the 103 that are kept").click()
    expect(rows).to_have_count(103)
    expect(rows.nth(100).get_by_role("button").first).to_be_focused()
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    visitor.go("review")
    visitor.expected.append(REFUSED)  # a small picture may be asked for while its query goes
    page.get_by_label("Select all 100 shown").check()
    page.get_by_role("button", name="Discard the selected").click()
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("2.png")


def test_nothing_kept__says_why(look: Visit) -> None:
    """A service that keeps no queries names the setting."""
    expect(look("review").page.locator(".empty")).to_contain_text("HOLOTYPE_KEEP_QUERIES")
