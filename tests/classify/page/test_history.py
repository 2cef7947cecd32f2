"""History: what was done, and Undo wherever something was."""

from __future__ import annotations

from playwright.sync_api import expect

from holotype.store.port import VectorStore
from tests.classify.page.conftest import Visit


def test_undo__in_the_toast_and_on_the_page(look: Visit, own_store: VectorStore) -> None:
    """A class that was renamed is back with one click; what a reference went through is told."""
    visitor = look("gallery/red")
    page = visitor.page
    reference = own_store.list_references().references[0]
    page.get_by_role("button", name="Rename or merge").click()
    page.get_by_role("dialog").get_by_label("New name").fill("ruby")
    page.keyboard.press("Enter")
    expect(visitor.said("6 references now in “ruby”")).to_be_visible()
    page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(visitor.said("Undone")).to_be_visible()
    expect(page.get_by_role("heading", level=1, name="red")).to_be_visible()
    assert own_store.counts() == {"red": 6, "green": 6, "blue": 6}

    own_store.remove(ids=[reference.id])
    page.get_by_role("link", name="History").click()
    lines = page.locator(".history li")
    expect(lines.first).to_contain_text(f"removed 1 reference {reference.label}")
    expect(lines.nth(1)).to_contain_text("relabelled 6 references ruby → red")
    expect(lines.nth(2).get_by_role("button", name="Undo")).to_be_disabled()
    lines.first.get_by_role("button", name="Undo").click()
    expect(lines.first).to_contain_text("restored 1 reference")
    assert [one.id for one in own_store.get([reference.id])] == [reference.id]
    page.get_by_label("Label or id").fill(reference.id)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="History")).to_be_focused()
    assert not visitor.unexpected()
    visitor.screenshot("history")
