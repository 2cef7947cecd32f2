"""Pictures and files that the tests of this folder are about."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def photo(name: str = "china") -> Image.Image:
    """A real photograph, 640 x 427: `china` or `flower`, shipped with scikit-learn."""
    import sklearn.datasets

    path = Path(sklearn.datasets.__file__).parent / "images" / f"{name}.jpg"
    with Image.open(path) as image:
        return image.convert("RGB")


def large_photo() -> Image.Image:
    """1,920 x 1,281 pixels, each of them real detail: both photographs, nine times in all."""
    tiles = [photo("china"), photo("flower")]
    canvas = Image.new("RGB", (3 * tiles[0].width, 3 * tiles[0].height))
    for i in range(9):
        canvas.paste(tiles[i % 2], (i % 3 * tiles[0].width, i // 3 * tiles[0].height))
    return canvas


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file of this format, by Pillow's name of it (`HEIF` too)."""
    file = BytesIO()
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.from_pillow(image).save(file, format="HEIF", **options)
    else:
        image.save(file, kind, **options)
    return file.getvalue()


def quarters(width: int = 40, height: int = 24) -> Image.Image:
    """Red, green / blue, white: every orientation of it is different."""
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    small = Image.fromarray(colours)
    return small.resize((width, height), Image.Resampling.NEAREST)


def corners(image: Image.Image) -> list[str]:
    """Colour names of the corners: top left, top right, bottom left, bottom right."""
    right, bottom = image.width - 3, image.height - 3
    return [_name(image.getpixel(at)) for at in ((2, 2), (right, 2), (2, bottom), (right, bottom))]


def _name(pixel: Any) -> str:
    bright = tuple(value > 127 for value in pixel)
    names = {
        (True, False, False): "red",
        (False, True, False): "green",
        (False, False, True): "blue",
        (True, True, True): "white",
        (False, False, False): "black",
    }
    return names.get(bright, str(pixel))
