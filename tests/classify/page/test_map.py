"""The map: what a line encloses is looked at and put right, also by who cannot draw one."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.page.browsing import PHONE, Visitor
from tests.classify.page.conftest import Serve, Visit

SLOW_DRAWING = "GPU stall due to ReadPixels"
"""What a browser without a graphics card says of its own way to show what WebGL drew."""


def plot(visitor: Visitor) -> Locator:
    """The map, once it is drawn."""
    visitor.expected = [SLOW_DRAWING]
    drawn = visitor.page.get_by_role("group", name="Map of the gallery")
    expect(drawn).to_be_visible()
    return drawn


def lasso(visitor: Visitor, *corners: tuple[float, float]) -> None:
    """Draw a line around a part of the map, in shares of its width and height."""
    visitor.page.get_by_role("button", name="Lasso").click()
    box = plot(visitor).bounding_box()
    assert box is not None
    mouse = visitor.page.mouse
    for i, (across, down) in enumerate(corners):
        at = box["x"] + across * box["width"], box["y"] + down * box["height"]
        mouse.move(*at, steps=1 if i == 0 else 6)
        if i == 0:
            mouse.down()
    mouse.up()


def middle(values: list[float]) -> float:
    """Of the part of the map that the window shows."""
    return (min(values) + max(values)) / 2


def test_map__a_line_fills_the_grid_and_the_grid_puts_labels_right(
    look: Visit, serve: Serve, own_store: VectorStore
) -> None:
    """The left half of the map is lassoed, looked at, relabelled; one of it is removed."""
    service = serve()
    visitor = look("curate/map", at=service)
    page = visitor.page
    plot(visitor)
    legend = page.get_by_role("list", name="Label")
    expect(legend.get_by_role("button")).to_have_text(["blue 6", "green 6", "red 6"])
    found: dict[str, Any] = service.http.get("/v1/curate/map").json()["result"]
    left = {i for i, x in zip(found["ids"], found["x"], strict=True) if x < middle(found["x"])}
    assert 0 < len(left) < 18
    lasso(visitor, (0.01, 0.01), (0.5, 0.01), (0.5, 0.99), (0.01, 0.99))
    selection = page.get_by_role("region", name="Selection")
    expect(selection.get_by_role("heading")).to_have_text(
        f"{len(left)} references: inside the line"
    )
    shown = selection.get_by_role("checkbox")
    assert {box.input_value() for box in shown.all()} == left
    expect(selection.locator("li img").first).to_have_js_property("complete", True)
    visitor.screenshot("map-lasso")
    page.get_by_role("button", name="Select all of them").click()
    page.get_by_role("button", name="Relabel").click()
    page.get_by_label("New label").fill("leftish")
    page.get_by_role("dialog").get_by_role("button", name="Relabel").click()
    expect(visitor.said("moved to “leftish”")).to_be_visible()
    expect(legend.get_by_role("button", name="leftish")).to_have_text(f"leftish {len(left)}")
    assert own_store.existing(sorted(left)) == dict.fromkeys(left, "leftish")
    visitor.undo("moved to “leftish”")
    expect(legend.get_by_role("button", name="leftish")).to_have_count(0)
    assert own_store.counts() == {"blue": 6, "green": 6, "red": 6}
    shown.first.check()
    gone = shown.first.input_value()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(selection.get_by_role("heading")).to_have_text(
        f"{len(left) - 1} references: inside the line"
    )
    assert gone not in own_store.existing(sorted(left))
    visitor.undo("1 reference removed")
    expect(selection.get_by_role("heading")).to_have_text(
        f"{len(left)} references: inside the line"
    )
    assert gone in own_store.existing(sorted(left))


def test_map__without_a_pointer(look: Visit) -> None:
    """The legend and what is in view select, by keyboard; queries are stars; colours change."""
    visitor = look()
    visitor.choose(("query.png", picture("red", 50)))
    expect(visitor.card("query.png").get_by_text("red").first).to_be_visible()
    visitor.go("curate/map")
    page = visitor.page
    expect(page.get_by_text("18 references; 1 query of this visit as stars")).to_be_visible()
    assert visitor.violations() == []
    page.get_by_role("list", name="Label").get_by_role("button", name="green").focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("region", name="Selection").get_by_role("heading")
    expect(heading).to_have_text("6 references: green")
    assert visitor.violations() == []
    plot(visitor).focus()
    for key in ("+", "+", "ArrowLeft", "-", "0"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Select what is in view").click()
    expect(heading).to_have_text("18 references: in view")
    page.get_by_label("Colour by").select_option("site")
    sites = page.get_by_role("list", name="site").get_by_role("button")
    expect(sites).to_have_text(["A 9", "B 9"])
    page.get_by_label("Colour by").select_option("Error")
    expect(page.get_by_text("How likely another label is right")).to_be_visible()
    visitor.screenshot("map-error")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_map__on_a_phone(look: Visit, scheme: str) -> None:
    """It fits, and keeps its contrasts."""
    visitor = look(
        "curate/map", viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True
    )
    plot(visitor)
    expect(visitor.page.get_by_role("list", name="Label")).to_be_visible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert visitor.violations() == []
    visitor.screenshot(f"phone-map-{scheme}")
