"""Gallery: how classes fare, and references of several classes put right at once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from curate import work
from head.job import retrain
from holotype.references import Where
from holotype.store.port import VectorStore
from tests.classify.page.browsing import PHONE, Visitor
from tests.classify.page.conftest import Serve, Visit
from tests.running import PATIENCE_S, Running


def mistaken(store: VectorStore) -> dict[str, Any]:
    """Two reds are called blue; returns the suspects that they are."""
    reds = [one.id for one in store.list_references(where=Where.equal("label", "red")).references]
    store.relabel("blue", ids=reds[:2])
    members = [{"id": id_, "label": "blue", "mark": "m", "p_wrong": 0.9} for id_ in reds[:2]]
    return {"cohorts": [{"label": "blue", "proposed": "red", "members": members}]}


def found(service: Running, kind: str) -> dict[str, Any]:
    """What curation finds, once it has."""
    path, deadline = f"/v1/curate/{kind}", time.monotonic() + PATIENCE_S
    said = service.http.post(path).json()
    while said["state"] == "running":
        assert time.monotonic() < deadline, said
        said = service.http.get(path).json()
    return dict(said["result"])


def titles(page: Page) -> list[str]:
    """Names of the classes in their order."""
    return page.locator(".classes strong").all_text_contents()


def open_references(visitor: Visitor, search: str = "") -> Page:
    """The references of all classes that are found."""
    page = visitor.page
    page.get_by_label("Find a class").fill(search)
    page.get_by_role("button", name="References", exact=True).click()
    return page


def test_tiles__say_how_classes_fare(
    look: Visit, serve: Serve, store_with_heads: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing at first; then what the head's report says; then what curation found."""
    suspects = mistaken(store_with_heads)
    service = serve(store_with_heads)
    visitor = look("gallery", at=service)
    page = visitor.page
    expect(page.get_by_label("Order").locator("option")).to_have_text(["Largest first", "By name"])
    expect(page.get_by_text("recall")).to_have_count(0)
    retrain(store_with_heads)
    visitor.go("gallery")
    blue = page.get_by_role("link", name="blue")
    expect(blue).to_contain_text("confused with red")
    page.get_by_label("Order").select_option("Weakest first")
    assert titles(page)[0] == "blue"
    monkeypatch.setitem(work.WORK, "suspects", lambda *_: suspects)
    found(service, "suspects")
    ready = found(service, "classes")["classes"]
    visitor.go("gallery")
    recall = next(one["recall"] for one in ready if one["label"] == "blue")
    expect(blue).to_contain_text(f"recall {recall:.0%}".replace("%", " %"))
    expect(blue).to_contain_text("2 suspects")
    page.get_by_label("Order").select_option("Most suspects first")
    assert titles(page)[0] == "blue"
    visitor.screenshot("gallery-figures")
    blue.click()
    expect(page.locator(".fares")).to_contain_text("confused with red")
    page.locator(".fares").get_by_role("link", name="red").click()
    expect(page.get_by_role("heading", level=1, name="red")).to_be_visible()


def test_references__of_several_classes_by_mouse(look: Visit, own_store: VectorStore) -> None:
    """What is found is one grid: a range over two classes gets one label, and stays in sight."""
    visitor = look("gallery")
    page = open_references(visitor, "re")
    items = page.get_by_role("list", name="References of the classes").get_by_role("listitem")
    expect(items).to_have_count(12)
    boxes = items.get_by_role("checkbox")
    boxes.nth(4).check()
    boxes.nth(7).click(modifiers=["Shift"])
    expect(page.get_by_text("4 selected of 2 classes")).to_be_visible()
    visitor.screenshot("gallery-references")
    assert visitor.violations() == []
    page.get_by_role("button", name="Relabel").click()
    page.get_by_role("dialog").get_by_label("New label").fill("ruby")
    page.keyboard.press("Enter")
    expect(visitor.said("4 references moved to “ruby”")).to_be_visible()
    expect(items.get_by_text("ruby")).to_have_count(4)
    expect(boxes.nth(4)).to_be_focused()
    assert own_store.counts() == {"blue": 6, "green": 4, "red": 4, "ruby": 4}


def test_references__by_keyboard(look: Visit, own_store: VectorStore) -> None:
    """Arrows go on, with Shift they select; Ctrl+A selects all that are shown, and they go."""
    visitor = look("gallery", viewport=PHONE)
    page = open_references(visitor)
    boxes = page.get_by_role("list", name="References of the classes").get_by_role("checkbox")
    expect(boxes).to_have_count(18)
    boxes.first.focus()
    page.keyboard.press("ArrowRight")
    expect(boxes.nth(1)).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("3 selected")).to_be_visible()
    visitor.screenshot("gallery-references-phone")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.get_by_label("Find a class").fill("blue")
    expect(boxes).to_have_count(6)
    boxes.first.focus()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("6 selected")).to_be_visible()
    page.get_by_role("group", name="Selected references").get_by_role(
        "button", name="Remove"
    ).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(visitor.said("6 references removed")).to_be_visible()
    expect(page.get_by_text("No reference.")).to_be_visible()
    assert own_store.counts() == {"green": 6, "red": 6}
