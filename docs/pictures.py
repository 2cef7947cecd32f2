"""Makes the pictures of the documents: the page in a browser, with a gallery of drawn diatoms.

    python docs/pictures.py

Drawn, because the demo's pictures may not be passed on. Everything else is real: the commands, the
encoder, the answers. Needs chromium; writes `docs/pictures/*.png`.
"""

from __future__ import annotations

import io
import math
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import sync_playwright

from demo.weights import lite0_checkpoint

PICTURES = Path(__file__).parent / "pictures"
CURATED = {"suspects": ".stage h2", "duplicates": ".sets img", "classes": ".readiness td"}
"""Tabs of the page, and what is there when they are."""
EXCHANGED = 5
"""Wrong labels, for the pictures of curation."""
SIDE = 320
REFERENCES, QUERIES = 28, 5

Draw = ImageDraw.ImageDraw
Shape = Callable[[Draw, random.Random, tuple[int, ...]], None]


def navicula(draw: Draw, chance: random.Random, ink: tuple[int, ...]) -> None:
    """A boat with a raphe along and striae across."""
    length, width = chance.uniform(200, 260), chance.uniform(46, 66)
    steps = range(-50, 51)
    edge = [(length / 2 * t / 50, width / 2 * math.cos(math.pi * t / 100) ** 0.8) for t in steps]
    _outline(draw, edge, ink)
    draw.line([_centre(-length / 2, 0), _centre(length / 2, 0)], fill=ink, width=2)
    for x, half in edge[6:-6:3]:
        for side in (-1, 1):
            draw.line([_centre(x, side * 5), _centre(x * 0.97, side * half * 0.92)], fill=ink)


def fragilaria(draw: Draw, chance: random.Random, ink: tuple[int, ...]) -> None:
    """Long cells side by side, a ribbon."""
    cells, height = chance.randint(7, 12), chance.uniform(120, 170)
    width = 190 / cells
    for cell in range(cells):
        left = -95 + cell * width
        draw.rectangle(
            [_centre(left, -height / 2), _centre(left + width * 0.8, height / 2)],
            outline=ink,
            width=2,
        )
        draw.line(
            [_centre(left + width * 0.4, -height / 2), _centre(left + width * 0.4, height / 2)],
            fill=ink,
        )


def cyclotella(draw: Draw, chance: random.Random, ink: tuple[int, ...]) -> None:
    """A disc with rays at the rim and dots in the middle."""
    radius, rays = chance.uniform(75, 110), chance.randint(40, 60)
    draw.ellipse([_centre(-radius, -radius), _centre(radius, radius)], outline=ink, width=4)
    for ray in range(rays):
        angle = 2 * math.pi * ray / rays
        near, far = radius * 0.6, radius * 0.95
        draw.line(
            [_centre(math.cos(angle) * r, math.sin(angle) * r) for r in (near, far)],
            fill=ink,
            width=2,
        )
    for _ in range(30):
        angle, r = chance.uniform(0, 7), radius * 0.5 * math.sqrt(chance.random())
        _dot(draw, math.cos(angle) * r, math.sin(angle) * r, 2, ink)


def asterionella(draw: Draw, chance: random.Random, ink: tuple[int, ...]) -> None:
    """A star of needles with thick ends."""
    arms, length = chance.randint(6, 9), chance.uniform(100, 125)
    for arm in range(arms):
        angle = 2 * math.pi * arm / arms + chance.uniform(-0.08, 0.08)
        x, y = math.cos(angle), math.sin(angle)
        draw.line([_centre(8 * x, 8 * y), _centre(length * x, length * y)], fill=ink, width=6)
        _dot(draw, 14 * x, 14 * y, 7, ink)
        _dot(draw, length * x, length * y, 6, ink)


def pediastrum(draw: Draw, chance: random.Random, ink: tuple[int, ...]) -> None:
    """A plate of cells in rings, the outer ones horned: no diatom, the stranger."""
    for ring, cells in ((0, 1), (1, 6), (2, 12)):
        for cell in range(cells):
            angle = 2 * math.pi * cell / cells + chance.uniform(-0.05, 0.05)
            x, y = 38 * ring * math.cos(angle), 38 * ring * math.sin(angle)
            draw.polygon(
                [
                    _centre(x + 18 * math.cos(k * math.pi / 3), y + 18 * math.sin(k * math.pi / 3))
                    for k in range(6)
                ],
                outline=ink,
                width=3,
            )
            if ring == 2:
                for turn in (-0.12, 0.12):
                    tip = angle + turn
                    draw.line(
                        [_centre(x, y), _centre(118 * math.cos(tip), 118 * math.sin(tip))],
                        fill=ink,
                        width=3,
                    )


SHAPES: dict[str, Shape] = {
    shape.__name__.capitalize(): shape for shape in (navicula, fragilaria, cyclotella, asterionella)
}


def drawn(shape: Shape, seed: str) -> Image.Image:
    """An RGB picture, (SIDE, SIDE), as through a microscope; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  # a picture, not a secret
    paper = tuple(chance.randint(*span) for span in ((205, 235), (205, 228), (180, 205)))
    ink = tuple(chance.randint(*span) for span in ((70, 120), (75, 115), (30, 70)))
    picture = Image.new("RGB", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(picture)
    for _ in range(chance.randint(8, 20)):  # what else swims there
        place = chance.uniform(-160, 160), chance.uniform(-160, 160)
        _dot(
            draw,
            *place,
            chance.uniform(1, 4),
            tuple((p + 2 * i) // 3 for p, i in zip(paper, ink, strict=True)),
        )
    shape(draw, chance, ink)
    picture = picture.rotate(chance.uniform(0, 360), Image.Resampling.BICUBIC, fillcolor=paper)
    noise = Image.frombytes("L", (SIDE, SIDE), chance.randbytes(SIDE * SIDE)).convert("RGB")
    blurred = picture.filter(ImageFilter.GaussianBlur(chance.uniform(0.6, 1.6)))
    return Image.blend(blurred, noise, 0.04)


def _centre(x: float, y: float) -> tuple[float, float]:
    return SIDE / 2 + x, SIDE / 2 + y


def _dot(draw: Draw, x: float, y: float, r: float, ink: tuple[int, ...]) -> None:
    draw.ellipse([_centre(x - r, y - r), _centre(x + r, y + r)], fill=ink)


def _outline(draw: Draw, half: list[tuple[float, float]], ink: tuple[int, ...]) -> None:
    there = [_centre(x, y) for x, y in half]
    back = [_centre(x, -y) for x, y in reversed(half)]
    draw.line([*there, *back, there[0]], fill=ink, width=3)


def main() -> None:
    """Draw a gallery, serve it, and photograph the page."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        place = Path(folder)
        queries = lay_out(place)
        settings = {
            "HOLOTYPE_HOME": str(place / "home"),
            "HOLOTYPE_GALLERY": "diatoms",
            "HOLOTYPE_BACKBONE": "tf_efficientnet_lite0",
            "HOLOTYPE_CHECKPOINT": str(lite0_checkpoint(place)),
        }
        environment = {**os.environ, **settings}
        for command in (["ingest", "add", place / "train"], ["retrain"]):
            _start(command, environment).wait()
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        with served(environment) as url:
            page = browser.new_page(viewport={"width": 1180, "height": 940})
            page.goto(url)
            for name, shown in (("answer", queries[:1]), ("many", queries)):
                page.locator("input[type=file]").first.set_input_files(shown)
                page.get_by_role("button", name="Download (CSV)").wait_for()
                page.get_by_role("button", name="Stop").wait_for(state="hidden")
                page.wait_for_load_state("networkidle")
                photograph = Image.open(io.BytesIO(page.screenshot()))
                photograph.quantize(256).save(PICTURES / f"{name}.png", optimize=True)
                page.get_by_role("button", name="Clear the answers").click()
            exchange_labels(url)
            for tab, shown in CURATED.items():
                page.goto(f"{url}/#/curate/{tab}")
                page.locator(shown).first.wait_for()
                page.wait_for_load_state("networkidle")
                photograph = Image.open(io.BytesIO(page.screenshot()))
                photograph.quantize(256).save(PICTURES / f"curate-{tab}.png", optimize=True)


def lay_out(place: Path) -> list[Path]:
    """Class folders in `place / "train"`; returns the queries, a stranger among them."""
    for label, shape in SHAPES.items():
        (place / "train" / label).mkdir(parents=True)
        for number in range(REFERENCES):
            name = f"{label.lower()}-{number:02}.png"
            drawn(shape, seed=name).save(place / "train" / label / name)
        again = drawn(shape, seed=f"{label.lower()}-00.png")
        again.save(place / "train" / label / "scan-again.jpg", quality=95)
    queries = []
    for number in range(QUERIES):
        for shape in (*SHAPES.values(), *([pediastrum] if number < 2 else [])):
            queries.append(place / f"slide-{len(queries):02}.png")
            drawn(shape, seed=f"query {shape.__name__} {number}").save(queries[-1])
    return queries


def exchange_labels(url: str) -> None:
    """Give some references of each of two classes the label of the other."""
    first, second, *_ = SHAPES
    asked: dict[str, str | int] = {"limit": EXCHANGED}
    pages = {
        label: httpx.get(f"{url}/v1/references", params={**asked, "where": f"label={label}"})
        for label in (first, second)
    }
    for label, other in ((first, second), (second, first)):
        ids = [reference["id"] for reference in pages[label].json()["references"]]
        body = {"ids": ids, "label": other}
        httpx.post(f"{url}/v1/references/relabel", json=body).raise_for_status()


@contextmanager
def served(environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a service that runs until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with _start(["classify", "serve", "--port", str(port)], environment) as service:
        try:
            while True:
                with suppress(httpx.TransportError):
                    if httpx.get(f"{url}/readyz").is_success:
                        break
                if service.poll() is not None:
                    raise SystemExit("the service did not start")
                time.sleep(0.2)
            yield url
        finally:
            service.terminate()


def _start(
    command: Sequence[str | Path], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name(str(command[0]))
    return subprocess.Popen([program, *command[1:]], env=environment)  # noqa: S603  # our own


if __name__ == "__main__":
    main()
