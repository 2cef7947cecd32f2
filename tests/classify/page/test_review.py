"""Review: queries in doubt, labelled and added in a click or two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.page.browsing import Visitor
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import swapped
from tests.running import Running

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


def test_nothing_kept__says_why(look: Visit) -> None:
    """A service that keeps no queries names the setting."""
    expect(look("review").page.locator(".empty")).to_contain_text("HOLOTYPE_KEEP_QUERIES")
