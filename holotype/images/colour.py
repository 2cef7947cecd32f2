"""Any colour layout to 8-bit RGB, by stated rules.

- RGB stays as it is. Grey is repeated in the three channels. Palette, CMYK, YCbCr and LAB are
  converted by Pillow's formulas; colour profiles (ICC) are not applied, as in timm's own
  evaluation, which these vectors must stay comparable with.
- Alpha, and a transparent palette entry or colour, is laid over white. A picture that is
  transparent everywhere shows nothing and is refused, not taken for white paper; only in BMP,
  whose fourth byte most programs leave at 0 without meaning it, it is read as opaque.
- 16 bits a channel: the high byte, that is 0..65535 scaled to 0..255, never clipped and never
  stretched, so that two exposures stay comparable. 12-bit data in a 16-bit file therefore looks
  dark: stretch it before adding it.
- Floating point in [0, 1] is scaled by 255. Any other floating-point or 32-bit integer picture
  has no agreed white: it is stretched from its minimum to its maximum. Values that are not
  finite become black; a picture without any finite value is broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from holotype.errors import BrokenImage

FEW = 2**14
"""A 16-bit picture with no value above this is darker than a quarter of white: few bits in use."""

_BAND_PIXELS = 2**20
_WHITE = (255, 255, 255, 255)
_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def to_rgb(image: Image.Image, *, means_alpha: bool = True) -> Image.Image:
    """The picture in mode RGB, see the rules above; `image` is loaded and not changed.

    Args:
        image: of any mode.
        means_alpha: False of a format whose alpha, where it is 0 throughout, means nothing.

    Raises:
        BrokenImage: no finite pixel, or fully transparent.
    """
    if image.mode.startswith("I;16"):
        return _high_byte(image).convert("RGB")
    if image.mode in {"I", "F"}:
        return _from_wide(np.asarray(image)).convert("RGB")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _over_white(image, means_alpha=means_alpha)
    return image if type(image) is Image.Image and image.mode == "RGB" else image.convert("RGB")


def uses_few_bits(image: Image.Image) -> bool:
    """Whether a picture of 16 bits, read in this mode, has no value above `FEW`."""
    if image.mode.startswith("I;16"):
        return 0 < int(np.asarray(image).max()) < FEW
    colours = [image.getchannel(name) for name in image.getbands() if name != "A"]
    return 0 < max(int(np.asarray(colour).max()) for colour in colours) < FEW >> 8


def _over_white(image: Image.Image, *, means_alpha: bool) -> Image.Image:
    rgb = Image.new("RGB", image.size)
    most = 0
    for box in _bands(image.size):
        rgba = image.crop(box).convert("RGBA")
        opacity = np.asarray(rgba.getchannel("A"))
        most = max(most, int(opacity.max()))
        if int(opacity.min()) < 255:  # else opaque after all
            rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba)
        rgb.paste(rgba.convert("RGB"), box)
    if most:
        return rgb
    if means_alpha:
        raise BrokenImage("fully transparent: it shows nothing")
    return image.convert("RGB")


def _bands(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes from top to bottom, so that what is only passed through never exists whole."""
    width, height = size
    rows = max(1, _BAND_PIXELS // width)
    return ((0, top, width, min(top + rows, height)) for top in range(0, height, rows))


def _high_byte(image: Image.Image) -> Image.Image:
    values = np.asarray(image)  # uint16, in the file's byte order
    return Image.fromarray((values >> 8).astype(np.uint8))


def wide_range(bands: Iterable[npt.NDArray[Any]]) -> tuple[float, float]:
    """What is black and what is white in a picture that has no agreed white.

    Raises:
        BrokenImage: no finite pixel.
    """
    ranges, whole = [], True
    for band in bands:
        known = band[np.isfinite(band)]
        whole = whole and band.dtype.kind != "f"
        if known.size:
            ranges.append((float(known.min()), float(known.max())))
    if not ranges:
        raise BrokenImage("no finite pixel value")
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return (0.0, 1.0) if not whole and low >= 0.0 and high <= 1.0 else (low, high)


def stretched(band: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """`low`..`high` to 0..255; values that are not finite become 0."""
    seen = np.zeros(band.shape, np.uint8)
    if high > low:
        values = band.astype(np.float64)
        finite = np.isfinite(values)
        seen[finite] = np.rint((values[finite] - low) * (255.0 / (high - low)))
    return seen


def _from_wide(values: npt.NDArray[Any]) -> Image.Image:
    height, width = values.shape
    rows = [slice(top, bottom) for _, top, _, bottom in _bands((width, height))]
    low, high = wide_range(values[some] for some in rows)
    seen = np.empty(values.shape, np.uint8)
    for some in rows:
        seen[some] = stretched(values[some], low, high)
    return Image.fromarray(seen)
