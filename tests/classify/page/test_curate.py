"""Curate: what is wrong with a gallery, put right with a key or a tap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from curate import work
from curate.view import GalleryView
from head.steps import Tell
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, ColourGallery
from tests.classify.page.browsing import PHONE, REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit, painted

MEMBER = {"p_given": 0.04, "p_proposed": 0.9, "p_wrong": 0.95}


READINESS = [
    {"label": label, "references": 6, "groups": groups, "scored": 6, "recall": recall,
     "interval": interval, "confused_with": other, "confused": 0.5, "gain": gain,
     "verdict": verdict, "needs": needs, "says": says, "step": 10}
    for label, groups, recall, interval, other, gain, verdict, needs, says in (
        ("red", 6, 0.2, (0.1, 0.3), "green", 0.1, "merge", 0, "cannot be told apart: merge?"),
        ("green", 5, 0.7, (0.5, 0.8), "red", 0.01, "needs", 12, "needs about 12 more"),
        ("blue", 6, None, None, None, None, "too_few", None, "too few to say"),
    )
]  # fmt: skip


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
    shown.get_by_label("Another label").fill("violet")
    shown.get_by_label("Another label").press("Enter")
    expect(shown).to_contain_text("Accepted: blue → violet")
    settled(suspects)
    assert own_store.counts() == {"red": 6, "green": 6, "blue": 5, "violet": 1}
    page.keyboard.press("z")
    expect(page.get_by_text("2 decisions left")).to_be_visible()
    page.keyboard.press("x")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(shown).to_contain_text("Removed: blue")
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


@pytest.fixture
def twins(own_store: VectorStore, tmp_path: Path) -> VectorStore:
    """A red one again as blue, in a copy of a few pixels' difference; a green one twice."""
    gallery = ColourGallery(tmp_path)
    red, green = (painted(COLOURS[colour], seed=900) for colour in ("red", "green"))
    near = painted(COLOURS["green"], seed=901)
    own_store.add(
        [
            gallery.reference(red, "red", group="slide 1", part="train"),
            gallery.reference(red + b" ", "blue", group="slide 2", part="val"),
            gallery.reference(green, "green", group="slide 3", part="train"),
            gallery.reference(painted(COLOURS["blue"], seed=902), "blue", group="slide 3"),
            gallery.reference(near, "green", group="slide 2", part="train"),
        ]
    )
    return own_store


def test_duplicates__conflicts_first_and_settled(
    look: Visit, serve: Serve, twins: VectorStore
) -> None:
    """One label for all, one group for all, one kept; each leaves at once and stays away."""
    visitor = look("curate/duplicates", at=serve(twins))
    page = visitor.page
    first = page.locator(".sets > li").first
    before = twins.counts()
    expect(first).to_contain_text("labels differ")
    expect(first.locator("img").first).to_have_js_property("naturalWidth", 48)
    visitor.screenshot("curate-duplicates")
    assert visitor.violations() == []
    first.get_by_role("button", name="All are red").click()
    expect(visitor.said("All are “red”")).to_be_visible()
    assert twins.counts() == {"red": 8, "green": 8, "blue": 7}
    visitor.undo("All are “red”")
    expect(first).to_contain_text("labels differ")
    assert twins.counts() == before
    first.get_by_role("button", name="All are red").click()
    second = page.locator(".sets > li").filter(has_text="green").first
    second.get_by_role("button", name="Into one group").click()
    expect(visitor.said("In one group")).to_be_visible()
    groups = Counter(r.group for r in twins.list_references(limit=50).references if r.group)
    assert sorted(groups.values()) == [1, 4]  # with all that was in the two groups
    page.reload()
    expect(page.get_by_label("Show", exact=True)).to_be_visible()
    expect(page.locator(".sets > li").filter(has_text="labels differ")).to_have_count(0)
    assert page.locator(".sets > li").filter(has_text="green").count() == 0


def test_duplicates__across_a_key(look: Visit, serve: Serve, twins: VectorStore) -> None:
    """What is in train and val at once, alone; keeping one removes the others."""
    visitor = look("curate/duplicates", at=serve(twins))
    page = visitor.page
    expect(page.locator(".sets > li").first).to_be_visible()
    page.get_by_label("Show", exact=True).select_option("across part")
    expect(page.locator(".sets > li")).to_have_count(1)
    page.get_by_role("button", name="Keep only this").first.click()
    expect(visitor.said("1 duplicate removed")).to_be_visible()
    assert sum(twins.counts().values()) == 22
    visitor.undo("1 duplicate removed")
    assert sum(twins.counts().values()) == 23


def test_classes__readiness_and_merge(
    look: Visit, serve: Serve, monkeypatch: pytest.MonkeyPatch, own_store: VectorStore
) -> None:
    """Sorted by a click on a heading; two that cannot be told apart become one, once confirmed."""
    monkeypatch.setitem(work.WORK, "classes", lambda *_: {"classes": READINESS})
    visitor = look("curate/classes", at=serve())
    page = visitor.page
    rows = page.locator(".readiness tbody tr")
    expect(rows.first).to_contain_text("red")
    expect(rows.first).to_contain_text("20 %")
    expect(rows.last).to_contain_text("not measured")
    visitor.screenshot("curate-classes")
    assert visitor.violations() == []
    page.get_by_role("button", name="Class", exact=True).click()
    expect(rows.first).to_contain_text("blue")
    page.get_by_role("button", name="Class", exact=True).click()
    expect(rows.first).to_contain_text("red")
    expect(page.get_by_role("columnheader", name="Class")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_role("button", name="Merge").click()
    assert own_store.counts()["red"] == 6
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    expect(visitor.said("“red” is part of “green” now")).to_be_visible()
    expect(rows).to_have_count(2)
    assert own_store.counts() == {"green": 12, "blue": 6}
    visitor.undo("“red” is part of “green” now")
    expect(rows).to_have_count(3)
    assert own_store.counts() == {"red": 6, "green": 6, "blue": 6}
    page.get_by_role("link", name="green").first.click()
    expect(page.get_by_role("heading", level=1, name="green")).to_be_visible()


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
