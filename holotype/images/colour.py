"""Any colour layout to 8-bit RGB, by stated rules.

- RGB stays as it is. Grey is repeated in the three channels. Palette, CMYK, YCbCr and LAB are
  converted by Pillow's formulas; colour profiles (ICC) are not applied, as in timm's own
  evaluation, which these vectors must stay comparable with.
- Alpha, and a transparent palette entry or colour, is laid over white.
- 16 bits a channel: the high byte, that is 0..65535 scaled to 0..255, never clipped and never
  stretched, so that two exposures stay comparable. 12-bit data in a 16-bit file therefore looks
  dark: stretch it before adding it.
- Floating point in [0, 1] is scaled by 255. Any other floating-point or 32-bit integer picture
  has no agreed white: it is stretched from its minimum to its maximum. Values that are not
  finite become black; a picture without any finite value is broken.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from holotype.errors import BrokenImage

_BAND_PIXELS = 2**20
_WHITE = (255, 255, 255, 255)
_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB, see the rules above; `image` is loaded and not changed.

    Raises:
        BrokenImage: no finite pixel.
    """
    if image.mode.startswith("I;16"):
        return _high_byte(image).convert("RGB")
    if image.mode in {"I", "F"}:
        return _from_wide(np.asarray(image)).convert("RGB")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _over_white(image)
    return image if type(image) is Image.Image and image.mode == "RGB" else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    rgb = Image.new("RGB", image.size)
    for box in _bands(image.size):
        rgba = image.crop(box).convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):  # else opaque after all
            rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba)
        rgb.paste(rgba.convert("RGB"), box)
    return rgb


def _bands(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes from top to bottom, so that what is only passed through never exists whole."""
    width, height = size
    rows = max(1, _BAND_PIXELS // width)
    return ((0, top, width, min(top + rows, height)) for top in range(0, height, rows))


def _high_byte(image: Image.Image) -> Image.Image:
    values = np.asarray(image)  # uint16, in the file's byte order
    return Image.fromarray((values >> 8).astype(np.uint8))


def _from_wide(values: npt.NDArray[np.float32] | npt.NDArray[np.int32]) -> Image.Image:
    low, high = _range(values)
    if values.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    scaled = np.zeros(values.shape, np.uint8)
    if high > low:
        for _, top, _, bottom in _bands((values.shape[1], values.shape[0])):
            band = values[top:bottom].astype(np.float64)
            finite = np.isfinite(band)
            scaled[top:bottom][finite] = np.rint((band[finite] - low) * (255.0 / (high - low)))
    return Image.fromarray(scaled)


def _range(values: npt.NDArray[np.float32] | npt.NDArray[np.int32]) -> tuple[float, float]:
    """The least and the greatest finite value."""
    ranges = []
    for _, top, _, bottom in _bands((values.shape[1], values.shape[0])):
        band = values[top:bottom]
        known = band[np.isfinite(band)]
        if known.size:
            ranges.append((float(known.min()), float(known.max())))
    if not ranges:
        raise BrokenImage("no finite pixel value")
    return min(low for low, _ in ranges), max(high for _, high in ranges)
