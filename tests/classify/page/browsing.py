"""Looks at the page with a real Chromium, and sees to it that nothing goes wrong unseen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

# Without these, the browser spends its time on looking for its maker's hosts.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 10_000
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
AXE = files("axe_playwright_python") / "axe.min.js"
REFUSED = "Failed to load resource"
"""What the browser itself says of an answer that is an error."""

SCREENSHOTS = os.environ.get("HOLOTYPE_TEST_SCREENSHOTS")
"""A folder to put screenshots into, for people to look at."""


def chromium() -> str | None:
    """Where a Chromium is on this machine, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@dataclass
class Visitor:
    """Somebody who looks at one service's page, and everything that went wrong meanwhile."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of problems that the test provokes on purpose."""

    @property
    def context(self) -> BrowserContext:
        """The window's own cookies and permissions."""
        return self.page.context

    def go(self, page: str = "classify") -> None:
        """Open a page, and wait until it is there, or asks something first."""
        target = f"{self.url}/#/{page}"
        if self.page.url == target:
            self.page.reload()
        else:
            self.page.goto(target)
        expect(self.page.locator("main h1, dialog[open]").first).to_be_visible()

    def choose(self, *files: tuple[str, bytes]) -> None:
        """Choose images: names and bytes."""
        self.page.get_by_label("Drop, paste or choose images").set_input_files(payloads(files))

    def drop(self, *paths: Path) -> None:
        """Drag files and folders from elsewhere onto the middle of the page, and let go."""
        session = self.context.new_cdp_session(self.page)
        what = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send(
                "Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 400, "data": what}
            )

    def paste(self, png: bytes) -> None:
        """Put a picture into the clipboard, and press Ctrl+V."""
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page.evaluate(
            """async (bytes) => {
                const blob = new Blob([new Uint8Array(bytes)], {type: "image/png"});
                await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
            }""",
            list(png),
        )
        self.page.keyboard.press("Control+V")

    def card(self, name: str) -> Locator:
        """The answer to the query of that name."""
        return self.page.get_by_role("article", name=name, exact=True)

    def said(self, text: str) -> Locator:
        """A message of that text, as screen readers hear it."""
        return self.page.get_by_role("status").get_by_text(text)

    def undo(self, text: str) -> None:
        """Take back what the message of that text speaks of, by its own button."""
        toast = self.page.get_by_role("status").locator(".toast").filter(has_text=text)
        toast.get_by_role("button", name="Undo").click()
        expect(toast).to_have_count(0)
        expect(self.said("Undone").first).to_be_visible()

    def screenshot(self, name: str) -> None:
        """Keep what it looks like, where somebody asked for it."""
        if SCREENSHOTS:
            self.page.wait_for_load_state("networkidle")
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)

    def violations(self) -> list[str]:
        """What axe finds wrong with the page as it is now: rule, and where."""
        self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']})"
        )
        return [
            f"{v['id']}: {node['html'][:150]}" for v in found["violations"] for node in v["nodes"]
        ]

    def unexpected(self) -> list[str]:
        """Problems that the test did not provoke."""
        return [p for p in self.problems if not any(part in p for part in self.expected)]


def payloads(files: Sequence[tuple[str, bytes]]) -> list[Any]:
    """Files as the browser's file chooser hands them over."""
    return [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]


def visit(browser: Browser, url: str, *, page: str = "classify", **options: Any) -> Visitor:
    """A new window on a service; options are those of a browser context."""
    visitor = window_for(browser, url, **options)
    visitor.go(page)
    return visitor


def window_for(browser: Browser, url: str, **options: Any) -> Visitor:
    """A new window, still empty, for what is at `url`."""
    context = browser.new_context(**{"viewport": DESKTOP} | options)
    context.set_default_timeout(PATIENCE_MS)
    window = context.new_page()
    visitor = Visitor(window, url)
    window.on("console", lambda message: _hear(visitor, message.type, message.text))
    window.on("pageerror", lambda error: visitor.problems.append(f"uncaught: {error}"))
    window.on("request", lambda request: _watch(visitor, request))
    return visitor


def _hear(visitor: Visitor, kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        visitor.problems.append(f"console {kind}: {text}")


def _watch(visitor: Visitor, request: Request) -> None:
    origin = urlsplit(visitor.url)
    target = urlsplit(request.url)
    if target.scheme != "blob" and (target.scheme, target.netloc) != (origin.scheme, origin.netloc):
        visitor.problems.append(f"left the origin: {request.url}")


def line_of(chart: Locator, series: int = 0) -> list[tuple[float, float]]:
    """The values of a drawn line, read off the numbers at its axes; percents as shares."""
    across, up = _ticks(chart, "middle", "x"), _ticks(chart, "end", "y")
    points = chart.locator(f"polyline.series-{series}").get_attribute("points") or ""
    return [
        (_value(float(x), across), _value(float(y) + BELOW, up))
        for x, y in (point.split(",") for point in points.split())
    ]


BELOW = 4
"""Pixels from a line of the grid to the foot of its number."""


def _ticks(chart: Locator, anchor: str, place: str) -> list[tuple[float, float]]:
    """Pixels and values of the numbers at an axis."""
    texts: list[tuple[str, str]] = chart.locator(f"text[text-anchor={anchor}]").evaluate_all(
        f"(all) => all.map((text) => [text.getAttribute('{place}'), text.textContent])"
    )
    return [
        (float(pixel), float(words.removesuffix(" %")) / (100 if words.endswith(" %") else 1))
        for pixel, words in texts
        if words[0].isdigit()
    ]


def _value(pixel: float, ticks: Sequence[tuple[float, float]]) -> float:
    """Between the outer ticks."""
    (low, least), (high, most) = min(ticks), max(ticks)
    return round(least + (pixel - low) / (high - low) * (most - least), 4)
