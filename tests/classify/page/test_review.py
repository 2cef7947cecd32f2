"""Review: queries in doubt, labelled and added in a click or two."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.page.browsing import PHONE, REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import is_shown, swapped
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


def stage(visitor: Visitor) -> Locator:
    """The query that is looked at."""
    return visitor.page.get_by_role("region", name="The query in doubt")


def reason_of(running: Running, reason: str, *names: str) -> None:
    """Keep red pictures for review as if they had been answered like this."""
    for seed, name in enumerate(names):
        running.service.review.keep(
            picture("red", 650 + seed), query=name, reason=reason, answers={}
        )


def test_one__is_added_under_a_candidate_with_one_click(
    doubts: Doubting, store_with_heads: VectorStore
) -> None:
    """Classes with probabilities and references stand beside the picture; the next one follows."""
    visitor = doubts("red", "red")
    page, shown = visitor.page, stage(visitor)
    expect(page.get_by_role("link", name="Review 2")).to_be_visible()
    expect(shown).to_contain_text("neighbours and head disagree")
    expect(shown).to_contain_text("head: green")
    expect(shown.get_by_role("img", name="The query 1-red.png")).to_have_js_property(
        "naturalWidth", 48
    )
    candidates = shown.locator(".candidates > li")
    expect(candidates).to_have_count(3)
    red = candidates.filter(has_text="Add as red")
    expect(red).to_contain_text(re.compile(r"\d %"))
    expect(red.get_by_role("button", name="Reference of red")).to_have_count(4)
    visitor.screenshot("review-one")
    red.get_by_role("button", name="Add as red").click()
    expect(visitor.said("1 query added as “red”")).to_be_visible()
    expect(page.get_by_role("link", name="Review 1")).to_be_visible()
    expect(shown.get_by_role("heading", level=2)).to_have_text("0-red.png")
    expect(shown.locator(".zoomed")).to_be_focused()
    assert store_with_heads.counts()["red"] == 7


def test_keys__add_discard_and_go_on(doubts: Doubting, store_with_heads: VectorStore) -> None:
    """1 to 5 add, D discards, arrows go on; each is shown on its button; none fires in a field."""
    visitor = doubts("red", "red", "red", "red")
    page, shown = visitor.page, stage(visitor)
    heading = shown.get_by_role("heading", level=2)
    expect(heading).to_have_text("3-red.png")
    for name, key in (("Discard", "D"), ("Undo", "Z"), ("Next", "→"), ("Previous", "←")):
        expect(shown.get_by_role("button", name=name).locator("kbd")).to_have_text(key)
    second = shown.locator(".candidate").nth(1)
    label = second.locator("bdi").inner_text()
    expect(second.locator("kbd")).to_have_text("2")
    field = shown.get_by_label("Label for 3-red.png")
    field.press_sequentially("2dz")
    expect(field).to_have_value("2dz")
    expect(heading).to_have_text("3-red.png")
    shown.locator(".zoomed").focus()
    page.keyboard.press("2")
    expect(visitor.said(f"1 query added as “{label}”")).to_be_visible()
    assert store_with_heads.counts()[label] == 7
    expect(heading).to_have_text("2-red.png")
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("1-red.png")
    page.keyboard.press("d")
    expect(visitor.said("1 query discarded")).to_be_visible()
    expect(heading).to_have_text("0-red.png")
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text("2-red.png")
    assert sum(store_with_heads.counts().values()) == 19


def test_closer__keys_belong_to_what_is_looked_at(
    doubts: Doubting, store_with_heads: VectorStore
) -> None:
    """Arrows move a zoomed picture, and while a reference is open nothing is added."""
    visitor = doubts("red", "red")
    page, shown = visitor.page, stage(visitor)
    heading, image = shown.get_by_role("heading", level=2), shown.locator(".view img")
    shown.locator(".zoomed").focus()
    page.keyboard.press("+")
    expect(image).to_have_css("transform", re.compile(r"matrix\(1\.3,"))
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("1-red.png")
    page.keyboard.press("0")
    expect(image).to_have_css("transform", "matrix(1, 0, 0, 1, 0, 0)")
    shown.get_by_role("button", name="Reference of red").first.click()
    dialog = page.get_by_role("dialog", name=re.compile("png"))
    expect(dialog).to_contain_text("1 of 4")
    for key in ("1", "d"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(heading).to_have_text("1-red.png")
    assert sum(store_with_heads.counts().values()) == 18
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("0-red.png")


def test_undo__takes_back_the_last_things_one_by_one(
    doubts: Doubting, store_with_heads: VectorStore
) -> None:
    """What was added leaves the gallery and is in doubt again; what was discarded comes back."""
    visitor = doubts("red", "red")
    page, shown = visitor.page, stage(visitor)
    heading, tiles = shown.get_by_role("heading", level=2), page.locator(".review > li")
    expect(shown.get_by_role("button", name="Undo")).to_be_disabled()
    page.keyboard.press("d")
    expect(heading).to_have_text("0-red.png")
    shown.get_by_role("button", name="Add as red").click()
    expect(page.get_by_text("Nothing to review")).to_be_visible()
    assert store_with_heads.counts()["red"] == 7
    page.keyboard.press("z")
    expect(heading).to_have_text("0-red.png")
    assert store_with_heads.counts()["red"] == 6
    expect(page.get_by_role("link", name="Review 1")).to_be_visible()
    page.keyboard.press("z")
    expect(heading).to_have_text("1-red.png")
    expect(tiles).to_have_count(2)
    expect(tiles.first).to_contain_text("1-red.png")
    expect(shown.get_by_role("button", name="Undo")).to_be_disabled()
    visitor.go("review")
    expect(tiles.first).to_contain_text("1-red.png")
    expect(tiles).to_have_count(2)


def test_stranger__is_offered_no_class_as_the_right_one(look: Visit, serve: Serve) -> None:
    """Its label is typed: the field comes first, no button is loud, and none of many is offered."""
    service = serve(keep_queries=5)
    reason_of(service, "unknown", "hat.png")
    visitor = look("review", at=service)
    shown = stage(visitor)
    expect(shown.get_by_role("heading", name="Looks most like")).to_be_visible()
    expect(shown.get_by_role("button", name="Add as red")).to_be_visible()
    buttons = shown.locator(".choice").get_by_role("button")
    expect(buttons.first).to_have_text("Add")
    expect(shown.locator("button.primary")).to_have_count(0)
    visitor.screenshot("review-stranger")
    visitor.page.get_by_label("Select all 1").check()
    tools = visitor.page.get_by_role("group", name="Label the selected")
    expect(tools.get_by_role("button")).to_have_text(["Add selected"])


def test_in_the_gallery__is_said_and_needs_a_choice(
    look: Visit, serve: Serve, own_store: VectorStore
) -> None:
    """What the gallery held before is kept, or changed by a second click; Z changes it back."""
    service = serve(keep_queries=5)
    form = {"images": ("old.png", picture("red", 650))}
    service.http.post("/v1/references", files=form, data={"label": "garnet"})
    reason_of(service, "unsure", "again.png")
    visitor = look("review", at=service)
    page, shown = visitor.page, stage(visitor)
    expect(shown).to_contain_text("This very picture is in the gallery as garnet.")
    expect(page.locator(".review > li")).to_contain_text("In the gallery as garnet")
    shown.get_by_role("button", name="Add as red").click()
    expect(shown.get_by_role("button", name="Keep garnet")).to_be_focused()
    assert own_store.counts()["garnet"] == 1
    visitor.screenshot("review-in-gallery")
    shown.get_by_role("button", name="Change it to red").click()
    expect(visitor.said("“garnet” was changed to “red”")).to_be_visible()
    assert own_store.counts()["red"] == 7
    page.keyboard.press("z")
    expect(shown).to_contain_text("is in the gallery as garnet")
    assert own_store.counts() == {"red": 6, "green": 6, "blue": 6, "garnet": 1}
    shown.get_by_role("button", name="Keep garnet").click()
    expect(visitor.said("Left in the gallery as “garnet”")).to_be_visible()
    expect(page.get_by_text("Nothing to review")).to_be_visible()
    assert own_store.counts()["garnet"] == 1


def test_added_elsewhere__has_left_the_queue(look: Visit, serve: Serve) -> None:
    """A picture that somebody put into the gallery on another page is in doubt no more."""
    service = serve(keep_queries=5)
    reason_of(service, "unsure", "a.png", "b.png")
    form = {"images": ("a.png", picture("red", 650))}
    service.http.post("/v1/references", files=form, data={"label": "red"})
    visitor = look("review", at=service)
    page, tiles = visitor.page, visitor.page.locator(".review > li")
    expect(tiles).to_have_count(1)
    expect(stage(visitor).get_by_role("heading", level=2)).to_have_text("b.png")
    form = {"images": ("b.png", picture("red", 651))}
    service.http.post("/v1/references", files=form, data={"label": "red"})
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(visitor.said("1 query left: added or discarded elsewhere")).to_be_visible()
    expect(page.get_by_text("Nothing to review")).to_be_visible()
    expect(page.locator("#review-count")).to_be_hidden()


def test_phone__works_with_thumbs(look: Visit, serve: Serve) -> None:
    """What settles a query stays at the foot of the window, thumb-sized; no keys are shown."""
    service = serve(keep_queries=5)
    reason_of(service, "unsure", "a.png", "b.png")
    visitor = look("review", at=service, viewport=PHONE, has_touch=True, is_mobile=True)
    shown = stage(visitor)
    expect(shown.get_by_role("button", name="Add as red")).to_be_visible()
    visitor.screenshot("review-phone")
    expect(shown.locator("kbd").first).to_be_hidden()
    for name in ("Discard", "Undo", "Next", "Previous"):
        button = shown.get_by_role("button", name=name)
        expect(button).to_be_in_viewport(ratio=1)
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 40, name
    shown.get_by_role("button", name="Discard").tap()
    expect(shown.get_by_role("heading", level=2)).to_have_text("a.png")
    shown.get_by_role("button", name="Undo").tap()
    expect(shown.get_by_role("heading", level=2)).to_have_text("b.png")


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
    visitor.undo("3 queries added as “red”")
    expect(visitor.page.locator(".review > li")).to_have_count(4)
    assert store_with_heads.counts() == {"red": 6, "green": 6, "blue": 6}


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
    page.get_by_label("Label for 2-red.png").fill("ruby")
    page.get_by_label("Label for 2-red.png").press("Enter")
    expect(visitor.said("1 query added as “ruby”")).to_be_visible()
    page.get_by_label("Select all 2").check()
    page.get_by_label("Label for the selected").fill("garnet")
    page.get_by_role("button", name="Add selected").click()
    expect(visitor.said("2 queries added as “garnet”")).to_be_visible()
    assert store_with_heads.counts() == {"red": 6, "green": 6, "blue": 6, "ruby": 1, "garnet": 2}


def test_discard__adds_nothing(doubts: Doubting, store_with_heads: VectorStore) -> None:
    """A picture that is of no use leaves the queue, and that is all."""
    visitor = doubts("red", "green")
    stage(visitor).get_by_role("button", name="Discard").click()
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
    visitor.expected.append(REFUSED)  # they have left the queue, too
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
    expect(rows.first).to_contain_text("In the gallery as garnet")
    shown = stage(visitor)
    expect(shown).to_contain_text("This very picture is in the gallery as garnet, not red.")
    expect(shown.get_by_role("button", name="Keep garnet")).to_be_focused()
    assert is_shown(shown.get_by_role("img", name="The query"))
    expect(shown).to_be_in_viewport(ratio=0.9)
    assert store_with_heads.counts() == {"red": 7, "green": 6, "blue": 6, "garnet": 2}
    visitor.screenshot("review-conflict")
    rows.filter(has_text="a.png").get_by_role("button").click()
    shown.get_by_role("button", name="Keep garnet").click()
    expect(visitor.said("Left in the gallery as “garnet”")).to_be_visible()
    shown.get_by_role("button", name="Change it to red").click()
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
