"""A service with keys: the page asks for one, and for a better one where it takes that."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.page.browsing import REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import is_shown

READ, WRITE = "read-only-key-0123456789", 'w%2Fite/key+with=odd&signs;"no'


@pytest.fixture
def locked(look: Visit, serve: Serve) -> Visitor:
    """Somebody who looks at the page of a service with keys, without having one."""
    service = serve(keys=f"read:{READ},write:{WRITE}")
    visitor = look(at=service)
    visitor.expected.append(REFUSED)
    return visitor


def give(visitor: Visitor, key: str) -> None:
    """Answer the page's question for a key."""
    dialog = visitor.page.get_by_role("dialog")
    dialog.get_by_label("API key").fill(key)
    dialog.get_by_role("button", name="Continue").click()


def test_key__is_asked_for_once_and_opens_everything(locked: Visitor) -> None:
    """One question for all that was refused; the key works for requests and for pictures."""
    expect(locked.page.get_by_role("dialog")).to_have_count(1)
    locked.screenshot("key")
    give(locked, WRITE)
    locked.choose(("0031.png", picture("red", 100)))
    expect(locked.card("0031.png").get_by_role("heading", level=2)).to_contain_text("red")
    assert is_shown(locked.page.locator(".evidence img").first)
    locked.go("gallery")
    expect(locked.page.get_by_text("3 classes", exact=True)).to_be_visible()


def test_key__stays_in_its_tab(locked: Visitor) -> None:
    """A cookie would go to every port of the host: there is none, and a reload keeps the key."""
    give(locked, READ)
    expect(locked.page.locator("#gallery-summary")).to_contain_text("18 references")
    locked.page.reload()
    expect(locked.page.locator("#gallery-summary")).to_contain_text("18 references")
    assert locked.context.cookies() == []
    locked.go("gallery")
    assert is_shown(locked.page.locator(".samples img").first)
    locked.go("gallery/red")
    assert is_shown(locked.page.locator(".references img").first)


def test_wrong_key__is_said_and_asked_again(locked: Visitor) -> None:
    """A key that is not the service's own leads to another question, not to a broken page."""
    give(locked, "not-a-key-of-this-service")
    dialog = locked.page.get_by_role("dialog", name="Another key is needed")
    expect(dialog).to_contain_text("this key is not one of this service's")
    give(locked, READ)
    expect(locked.page.locator("#gallery-summary")).to_contain_text("18 references")


def test_read_key__is_enough_to_look_and_not_to_change(
    locked: Visitor, own_store: VectorStore
) -> None:
    """Adding takes the other scope: the page says so, and goes on once it has such a key."""
    give(locked, READ)
    locked.choose(("new.png", picture("red", 100)))
    card = locked.card("new.png")
    card.get_by_role("button", name="Correct: add as red").click()
    dialog = locked.page.get_by_role("dialog", name="Another key is needed")
    expect(dialog).to_contain_text("this takes a key with the scope 'write'")
    assert own_store.counts()["red"] == 6
    give(locked, WRITE)
    expect(card).to_contain_text("In the gallery as red")
    assert own_store.counts()["red"] == 7


def test_no_key__leaves_a_page_that_can_be_tried_again(locked: Visitor) -> None:
    """Who has no key learns why nothing is shown."""
    locked.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(locked.page.get_by_role("heading", name="This page cannot be shown")).to_be_visible()
    locked.page.get_by_role("button", name="Try again").click()
    give(locked, READ)
    expect(locked.page.get_by_role("heading", name="What is in this picture?")).to_be_visible()


def test_key__refusal_that_comes_late_does_not_ask_again(locked: Visitor) -> None:
    """What was sent before the key was given, and is refused after, goes again with the key."""
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    locked.page.route("**/v1/classes*", hold_the_first)
    locked.page.reload()
    give(locked, READ)
    expect(locked.page.get_by_role("dialog")).to_have_count(0)
    [late] = held
    late.fulfill(status=401, json={"detail": "this service takes a key"})
    expect(locked.page.locator("#gallery-summary")).to_contain_text("18 references")
    expect(locked.page.get_by_role("dialog")).to_have_count(0)
