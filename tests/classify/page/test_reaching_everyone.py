"""For everybody: keyboard, screen reader, phone, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from curate import work
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture
from tests.classify.page.browsing import PHONE, Visitor
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import swapped
from tests.classify.page.test_curate import doubted
from tests.classify.page.test_heads import FIRST, SECOND, published
from tests.running import PATIENCE_S, Running

PAGES = (
    "classify",
    "gallery",
    "gallery/red",
    "curate",
    "curate/duplicates",
    "curate/classes",
    "review",
    "heads",
)


@pytest.fixture
def busy_service(
    serve: Serve, store_with_heads: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> Running:
    """A service with something to see on every page."""
    monkeypatch.setitem(work.WORK, "suspects", doubted)
    swapped(store_with_heads)
    service = serve(store_with_heads, keep_queries=5)
    for name, colour in (("a.png", "red"), ("b.png", "green")):
        posted = {"images": (name, picture(colour, 700))}
        assert service.http.post("/v1/classify", files=posted).status_code == 200
    service.service.review_selection.wait(PATIENCE_S)
    assert len(service.http.get("/v1/review").json()["items"]) == 2
    published(store_with_heads, FIRST, ("red", "green"), red=0.5, green=1.0)
    published(store_with_heads, SECOND, ("green", "red", "blue"), red=0.7, green=0.8, blue=0.9)
    return service


def show(visitor: Visitor, page: str) -> None:
    """A page with something on it."""
    visitor.go(page)
    if page == "curate":
        expect(visitor.page.get_by_role("region", name="The suspect")).to_be_visible()
    if page.startswith("curate/"):
        expect(visitor.page.locator(".sets img, .empty, .readiness td").first).to_be_visible()
    if page == "classify":
        visitor.choose(("0031.png", picture("red", 100)), ("broken.png", b"nothing"))
        expect(visitor.page.get_by_text("Looking…")).to_have_count(0)
        expect(visitor.card("broken.png")).to_contain_text("No answer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe__finds_nothing(look: Visit, busy_service: Running, scheme: str) -> None:
    """Names, roles, contrast and structure of every page, in both colour schemes."""
    visitor = look(at=busy_service, color_scheme=scheme, reduced_motion="reduce")
    for page in PAGES:
        show(visitor, page)
        if page == "gallery/red":
            visitor.page.get_by_role("checkbox").first.check()
        if page == "review":
            visitor.page.get_by_label("Select all 2").check()
        visitor.screenshot(f"{scheme}-{page.replace('/', '-')}")
        assert visitor.violations() == [], page
    visitor.go("gallery/red")
    visitor.page.locator("button.source").first.click()
    expect(visitor.page.get_by_role("dialog")).to_be_visible()
    visitor.screenshot(f"{scheme}-reference")
    assert visitor.violations() == [], "the dialog of a reference"


def test_phone__nothing_has_to_be_scrolled_sideways(look: Visit, busy_service: Running) -> None:
    """Every page fits the width of a phone."""
    visitor = look(at=busy_service, viewport=PHONE, has_touch=True, is_mobile=True)
    for page in PAGES:
        show(visitor, page)
        visitor.screenshot(f"phone-{page.replace('/', '-')}")
        widths = visitor.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths == [PHONE["width"], PHONE["width"]], page


def test_keyboard__alone_gets_everywhere(look: Visit, own_store: VectorStore) -> None:
    """Skip link, pages, class, selection, dialog: with Tab, Enter, Space and Escape."""
    visitor = look()
    page = visitor.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for name in ("Holotype", "Classify", "Gallery"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Gallery")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find a class")).to_be_focused()
    page.keyboard.type("gree")
    for _ in ("Order", "Classes", "References", "Export", "the class"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="green")).to_be_focused()
    page.get_by_role("checkbox").first.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("1 selected")).to_be_visible()
    relabel = page.get_by_role("button", name="Relabel")
    relabel.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("New label")).to_be_focused()
    page.keyboard.press("Escape")
    expect(relabel).to_be_focused()
    assert own_store.counts()["green"] == 6
    assert set(own_store.counts()) == set(COLOURS)


def test_policy__lets_nothing_in_from_elsewhere(look: Visit) -> None:
    """Scripts, styles and pictures of other origins, and markup made of text, are refused."""
    visitor = look()
    response = visitor.page.request.get(visitor.url)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["cache-control"] == "no-cache"
    scripts = visitor.page.request.get(f"{visitor.url}/static/js/main.js")
    assert scripts.headers["x-content-type-options"] == "nosniff"
    assert (
        visitor.page.evaluate(
            """() => {
            try { document.body.innerHTML = "<p>x</p>"; return "taken"; }
            catch (error) { return error.name; }
        }"""
        )
        == "TypeError"
    )
    visitor.expected.append("TrustedHTML")
