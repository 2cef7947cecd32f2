"""Evidence that matches the answer, and a query beside the references that it is told apart by."""

from __future__ import annotations

import re
from dataclasses import replace

from playwright.sync_api import Locator, expect

from head.versions import registry
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture, publish_head
from tests.classify.page.browsing import PHONE, Visitor
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import is_shown


def sure_and_wrong(store: VectorStore) -> None:
    """Make a head active that is sure that what is red is green."""
    head = publish_head(store, *COLOURS)
    labels, version = ("green", "red", "blue"), "20260101-000001-dddd"
    record = replace(head.record, version=version, labels=labels)
    wrong = replace(head, record=record, labels=labels, weights=head.weights * 50)
    store.save_head(replace(wrong, bias=head.bias * 50).to_stored())
    registry.promote(store, version)


def transforms(dialog: Locator) -> set[str]:
    """How the pictures are zoomed, by size and place: one value where they are zoomed together."""
    look = """image => {
        const { a, e, f } = new DOMMatrix(getComputedStyle(image).transform);
        return [a, e / image.offsetWidth, f / image.offsetHeight].map((x) => x.toFixed(2)).join();
    }"""
    return {image.evaluate(look) for image in dialog.locator(".view img").all()}


def test_compare__three_pictures_are_zoomed_together(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """Query, best of the first class and best of the second; wheel and keys move all of them."""
    publish_head(store_with_heads, *COLOURS)
    visitor = look(at=serve(store_with_heads))
    visitor.choose(("0031.png", picture("red", 100)))
    visitor.card("0031.png").get_by_role("button", name="Compare").click()
    dialog = visitor.page.get_by_role("dialog", name="Compare")
    panes = dialog.get_by_role("figure")
    expect(panes).to_have_count(3)
    expect(panes.nth(0)).to_contain_text("The query0031.png")
    expect(panes.nth(1)).to_contain_text("Best of red")
    expect(panes.nth(2)).to_contain_text(re.compile("Best of (green|blue)"))
    for pane in panes.all():
        assert is_shown(pane.get_by_role("img"))
    assert transforms(dialog) == {"1.00,0.00,0.00"}
    whole = "matrix(1, 0, 0, 1, 0, 0)"
    panes.nth(1).locator(".view").hover()
    visitor.page.mouse.wheel(0, -300)
    expect(dialog.locator(".view img").first).not_to_have_css("transform", whole)
    assert transforms(dialog) == {"1.30,-0.15,-0.15"}
    visitor.screenshot("compare")
    visitor.page.keyboard.press("ArrowRight")
    visitor.page.keyboard.press("+")
    assert transforms(dialog) == {"1.69,-0.50,-0.34"}
    visitor.page.keyboard.press("0")
    expect(dialog.locator(".view img").last).to_have_css("transform", whole)
    assert visitor.violations() == []
    visitor.page.keyboard.press("Escape")
    expect(visitor.card("0031.png").get_by_role("button", name="Compare")).to_be_focused()


def test_class_row__is_shown_where_no_neighbour_is_of_the_answer(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """An answer that no neighbour carries is followed by the nearest references of its class."""
    sure_and_wrong(store_with_heads)
    visitor = look(at=serve(store_with_heads))
    visitor.page.get_by_label("Who answers").select_option("Both, pooled")
    visitor.page.get_by_label("Neighbours that vote").fill("2")
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    expect(card.get_by_role("heading", level=2)).to_contain_text("green")
    expect(card).to_contain_text("0 of the 2 nearest are green")
    expect(card.get_by_role("heading", name="The nearest references of green")).to_be_visible()
    rows = card.locator(".evidence")
    expect(rows).to_have_count(2)
    expect(rows.nth(1).get_by_role("button", name="Reference of green: details")).to_have_count(4)
    visitor.screenshot("class-row")
    card.get_by_role("button", name="Compare").click()
    panes = visitor.page.get_by_role("dialog", name="Compare").get_by_role("figure")
    expect(panes.nth(1)).to_contain_text("Best of green")
    expect(panes.nth(2)).to_contain_text("Best of red")


def test_phone__options_are_one_line_and_nothing_covers_the_answer(
    look: Visit, serve: Serve, own_store: VectorStore
) -> None:
    """What can be chosen is behind one word; the verdict is heard, not drawn over the answer."""
    visitor = look(at=serve(own_store), viewport=PHONE)
    expect(visitor.page.get_by_label("Who answers")).to_be_hidden()
    visitor.choose(("0031.png", picture("red", 100)))
    heard = visitor.said(re.compile("0031.png: red"))
    expect(heard).to_be_attached()
    box = visitor.page.locator(".toast").bounding_box()
    assert box is not None
    assert box["width"] <= 2
    visitor.screenshot("phone-answer")
    visitor.page.get_by_text("Options", exact=True).click()
    expect(visitor.page.get_by_label("Who answers")).to_be_visible()


def test_filter__that_is_typed_and_not_left_is_used(visitor: Visitor) -> None:
    """Who types a filter and drops a picture means the picture to be asked with it."""
    visitor.page.get_by_label("Only references with").fill("site=A")
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    expect(card).to_contain_text("of the 9 nearest are red")
    # Leaving the field now asks nothing again: what is clicked meanwhile does not vanish.
    card.get_by_role("button", name="Compare").click()
    expect(visitor.page.get_by_role("dialog", name="Compare")).to_be_visible()


def test_query__is_looked_at_closely_where_there_is_nothing_to_compare(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """A click on the picture opens it, also of an answer without neighbours; Escape closes it."""
    publish_head(store_with_heads, *COLOURS)
    visitor = look(at=serve(store_with_heads))
    visitor.page.get_by_label("Who answers").select_option("Linear head")
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    expect(card.get_by_role("region", name="Score")).to_be_visible()
    expect(card.get_by_role("button", name="Compare")).to_have_count(0)
    closely = card.get_by_role("button", name="Look closely at 0031.png")
    closely.click()
    dialog = visitor.page.get_by_role("dialog", name="0031.png")
    assert is_shown(dialog.get_by_role("img"))
    visitor.page.keyboard.press("+")
    assert transforms(dialog) == {"1.30,-0.15,-0.15"}
    visitor.screenshot("query-closely")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(closely).to_be_focused()
