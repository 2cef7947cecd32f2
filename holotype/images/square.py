"""Resize and crop in one step: the square that the backbone sees.

The plain recipe resizes the whole picture and then cuts the square out of it. Pillow can
resample just the part that survives, with the same filter positions and with the pixels
around it: the result is the same but for a rounding in one value of a thousand at most, and the
intermediate picture is never made (`tests/holotype/images/test_square.py`).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from holotype.images.recipe import Recipe

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]
Span = tuple[float, float]

_SUPPORT = 3  # pixels of the result that the widest filter, Lanczos, reaches to each side


def square(
    image: Image.Image, recipe: Recipe, *, original: Size | None = None, reduction: int = 1
) -> Pixels:
    """Bring a picture to the backbone's input.

    Args:
        image: mode RGB.
        recipe: size, crop and filter.
        original: width and height before the decoder reduced the picture; None: not reduced.
        reduction: side of the original pixels that one pixel of `image` stands for.

    Returns:
        (S, S, 3) uint8, RGB.
    """
    width, height = original or image.size
    resized = _resized(width, height, recipe)
    if recipe.crop_mode == "border":
        return np.asarray(_padded(image, resized, recipe))
    side = recipe.image_size
    left, top = (round((extent - side) / 2) for extent in resized)
    x = width / resized[0] / reduction  # pixels of `image` per pixel of the resized picture
    y = height / resized[1] / reduction
    columns = (left * x, min((left + side) * x, image.width))
    rows = (top * y, min((top + side) * y, image.height))
    return np.asarray(_resample(image, side, columns, rows, recipe))


def _resample(
    image: Image.Image, side: int, columns: Span, rows: Span, recipe: Recipe
) -> Image.Image:
    """Resample the part of `image` between `columns` and `rows` to side x side pixels.

    Rows first, then columns, in two calls. Left to itself, Pillow (from 13 on) takes the cheaper
    order, which for tall pictures is the other one once a part is cut: the rounding in between
    then differs from that of the whole picture, by up to 5 grey levels.
    """
    reach = math.ceil(_SUPPORT * max(1.0, (rows[1] - rows[0]) / side)) + 1
    first = max(0, math.floor(rows[0]) - reach)
    last = min(image.height, math.ceil(rows[1]) + reach)
    band = image.resize(
        (side, last - first), recipe.resampling, box=(columns[0], first, columns[1], last)
    )
    return band.resize(
        (side, side), recipe.resampling, box=(0, rows[0] - first, side, rows[1] - first)
    )


def _resized(width: int, height: int, recipe: Recipe) -> Size:
    """Size of the whole picture after the recipe's resize, by torchvision's and timm's rounding."""
    side = recipe.resized_side
    if recipe.crop_mode == "squash":
        return side, side
    if recipe.crop_mode == "border":
        ratio = max(width, height) / side
        return max(1, round(width / ratio)), max(1, round(height / ratio))
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _padded(image: Image.Image, resized: Size, recipe: Recipe) -> Image.Image:
    """The whole picture in the middle of a square of the recipe's mean colour."""
    side = recipe.image_size
    red, green, blue = (round(255 * value) for value in recipe.mean)
    canvas = Image.new("RGB", (side, side), (red, green, blue))
    whole = image.resize(resized, recipe.resampling)
    canvas.paste(whole, (_offset(side, resized[0]), _offset(side, resized[1])))
    return canvas


def _offset(side: int, extent: int) -> int:
    """Where the whole picture starts in the square; negative where its edges are cut."""
    return (side - extent) // 2 if extent < side else -round((extent - side) / 2)
