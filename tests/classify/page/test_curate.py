"""Curate: what is wrong with a gallery, put right with a key or a tap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from curate import work
from curate.view import GalleryView
from head.steps import Tell
from holotype.store.port import VectorStore
from tests.classify.page.browsing import PHONE, REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit

MEMBER = {"p_given": 0.04, "p_proposed": 0.9, "p_wrong": 0.95}


def doubted(view: GalleryView, _options: Mapping[str, Any], _tell: Tell) -> dict[str, Any]:
    """Three red ones that are said to be green, and a blue one that is said to be red."""
    ids = {
        label: [i for i, one in zip(view.ids, view.labels, strict=True) if one == label]
        for label in view.training.labels
    }

    def cohort(label: str, proposed: str, count: int) -> dict[str, Any]:
        members = [
            MEMBER
            | {"id": id_, "label": label, "proposed": proposed, "mark": f"{proposed} .9"}
            | {"evidence": {"given": ids[label][-2:], "proposed": ids[proposed][:2]}}
            for id_ in ids.get(label, [])[:count]
        ]
        return {"label": label, "proposed": proposed, "members": members, "expected": 0.95 * count}

    return {"cohorts": [cohort("red", "green", 3), cohort("blue", "red", 1)]}


@pytest.fixture
def suspects(look: Visit, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """Somebody who looks at these suspects."""
    monkeypatch.setitem(work.WORK, "suspects", doubted)
    visitor = look("curate")
    expect(stage(visitor)).to_be_visible()
    return visitor


def stage(visitor: Visitor) -> Locator:
    """What is looked at."""
    return visitor.page.get_by_role("region", name="The suspect")


def settled(visitor: Visitor) -> None:
    """Wait until what was decided is done."""
    expect(visitor.page.locator("[data-waiting]")).to_have_attribute("data-waiting", "0")


def test_cohort__is_accepted_at_once_and_undone(suspects: Visitor, own_store: VectorStore) -> None:
    """Enter gives all of them the proposed label, the next is there; Z takes it back exactly."""
    page, shown = suspects.page, stage(suspects)
    expect(page.get_by_text("2 decisions left, about 4 wrong labels expected")).to_be_visible()
    expect(shown.get_by_role("heading", level=2)).to_contain_text("red")
    expect(shown.locator(".members > li")).to_have_count(3)
    for label, p in (("red", "4 %"), ("green", "90 %")):
        nearest = shown.get_by_role("region", name=f"Nearest of {label}")
        expect(nearest).to_contain_text(p)
        expect(nearest.get_by_role("button")).to_have_count(2)
    suspects.screenshot("curate-cohort")
    before = {r.id: r.label for r in own_store.list_references(limit=50).references}
    page.keyboard.press("Enter")
    expect(shown).to_contain_text("Accepted: red → green (3)")
    expect(page.get_by_text("1 decision left")).to_be_visible()
    expect(shown.get_by_role("heading", level=2)).to_contain_text("blue")
    expect(shown.locator(".view img")).to_have_js_property("naturalWidth", 48)
    suspects.screenshot("curate-suspect")
    settled(suspects)
    assert own_store.counts() == {"green": 9, "blue": 6, "red": 3}
    page.keyboard.press("z")
    expect(page.get_by_text("2 decisions left")).to_be_visible()
    settled(suspects)
    assert {r.id: r.label for r in own_store.list_references(limit=50).references} == before


def test_one__is_kept_and_stays_kept(suspects: Visitor, own_store: VectorStore) -> None:
    """Inside a cohort the keys are of the one that is looked at; a kept one does not come back."""
    page, shown = suspects.page, stage(suspects)
    page.keyboard.press("ArrowDown")
    expect(shown).to_contain_text("1 of 3")
    page.keyboard.press("ArrowRight")
    expect(shown).to_contain_text("2 of 3")
    page.keyboard.press("k")
    expect(shown).to_contain_text("2 of 2")
    expect(shown).to_contain_text("Kept: red")
    settled(suspects)
    assert own_store.counts()["red"] == 6
    page.reload()
    expect(shown.locator(".members > li")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    expect(shown.get_by_role("heading", level=2)).to_contain_text("blue")
    page.keyboard.press("x")
    settled(suspects)
    assert own_store.counts() == {"red": 6, "green": 6, "blue": 5}
    expect(page.get_by_text("1 decision left")).to_be_visible()


def test_elsewhere__what_changed_meanwhile_is_left_alone(
    suspects: Visitor, own_store: VectorStore
) -> None:
    """A label that somebody else gave since is not overwritten."""
    page, shown = suspects.page, stage(suspects)
    reds = [r.id for r in own_store.list_references(limit=50).references if r.label == "red"][:3]
    own_store.relabel("violet", ids=reds[:1])
    own_store.remove(ids=reds[1:2])
    page.keyboard.press("Enter")
    expect(suspects.said("2 references were changed elsewhere, and left alone")).to_be_visible()
    settled(suspects)
    assert own_store.counts() == {"green": 7, "blue": 6, "red": 3, "violet": 1}
    expect(shown.get_by_role("heading", level=2)).to_contain_text("blue")


def test_refused__comes_back_and_is_said(suspects: Visitor, own_store: VectorStore) -> None:
    """A decision that the service does not take is on the list again; the next is still shown."""
    page, shown = suspects.page, stage(suspects)
    page.route("**/relabel", lambda route: route.fulfill(status=507, json={"detail": "disk full"}))
    suspects.expected.append(REFUSED)
    page.keyboard.press("Enter")
    expect(suspects.said("disk full")).to_be_visible()
    expect(page.get_by_text("2 decisions left")).to_be_visible()
    expect(shown.get_by_role("heading", level=2)).to_contain_text("blue")
    assert own_store.counts()["red"] == 6


def test_phone__everything_is_at_the_thumb(
    look: Visit, serve: Serve, monkeypatch: pytest.MonkeyPatch, own_store: VectorStore
) -> None:
    """Buttons for all that keys do, at the foot of the window, without scrolling."""
    monkeypatch.setitem(work.WORK, "suspects", doubted)
    visitor = look("curate/suspects", at=serve(), viewport=PHONE, has_touch=True, is_mobile=True)
    shown = stage(visitor)
    for name in ("Previous", "Accept", "Keep", "Remove", "Undo", "Next"):
        expect(shown.get_by_role("button", name=name, exact=True)).to_be_in_viewport(ratio=1)
    visitor.screenshot("phone-curate-cohort")
    shown.get_by_role("button", name="One by one").tap()
    visitor.screenshot("phone-curate-suspect")
    shown.get_by_role("button", name="Accept").tap()
    expect(shown).to_contain_text("1 of 2")
    settled(visitor)
    assert own_store.counts()["green"] == 7
