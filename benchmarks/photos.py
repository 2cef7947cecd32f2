"""Photos of 1 to 2 megapixels, made of real images.

Real images are laid side by side at their own size, so that the JPEG files hold as much
detail a pixel as real ones. They come from the folder that `HOLOTYPE_SETS` names, or from
the demo's image package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.accuracy.sets import FOLDER_VARIABLE
from holotype.images.finding import find_images

SIZES = ((1280, 960), (1160, 870), (1600, 1200), (1000, 1400), (1400, 1400), (1200, 900))
"""Width and height, pixels: 1.0 to 2.0 megapixels."""

QUALITY = 90
PARTS = 400
"""Real images that are used."""


def make_photos(folder: Path, count: int, *, processes: int = 1) -> list[Path]:
    """`count` different JPEG files in `folder`, the same ones whoever makes them."""
    folder.mkdir(parents=True)
    files = [folder / f"{n:05}.jpg" for n in range(count)]
    if processes == 1:
        _make(files, range(count))
        return files
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        shares = [range(n, count, processes) for n in range(processes)]
        list(pool.map(partial(_make, files), shares))
    return files


def _make(files: Sequence[Path], share: range) -> None:
    """Those of the files whose numbers are in `share`."""
    parts = list(_parts())
    random = np.random.default_rng(0)
    for number, (file, size) in enumerate(zip(files, cycle(SIZES), strict=False)):
        order = random.permutation(len(parts)).tolist()
        if number in share:
            _mosaic([parts[i] for i in order], size).save(file, quality=QUALITY)


def _parts() -> Iterator[Image.Image]:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        from elpv_dataset.utils import load_dataset

        for pixels in load_dataset()[0][:PARTS]:
            yield Image.fromarray(pixels).convert("RGB")
        return
    paths = list(find_images([Path(folder)]))
    for path in islice(paths, 0, None, max(1, len(paths) // PARTS)):
        with Image.open(path) as image:
            yield image.convert("RGB")


def _mosaic(parts: list[Image.Image], size: tuple[int, int]) -> Image.Image:
    """Rows of images, each row as high as its lowest image."""
    canvas = Image.new("RGB", size)
    rest = cycle(parts)
    y = 0
    while y < size[1]:
        x, height = 0, size[1]
        while x < size[0]:
            part = next(rest)
            canvas.paste(part, (x, y))
            x, height = x + part.width, min(height, part.height)
        y += max(height, 32)
    return canvas
