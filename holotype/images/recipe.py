"""The preprocessing of a backbone: everything between a decoded picture and the network.

The same words as timm's data configuration, so that a recipe can be read beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from PIL.Image import Resampling

from holotype.images.cost import MAX_PIXELS

DECODER_RULES = 1
"""Version of the rules in `holotype.images.decode`, `colour` and `tiff`; part of the fingerprint.

Raise it when a change gives other pixels for a file that was read right: its vectors would no
longer be comparable, and a gallery of the old rules is then refused by name and made anew. It is
not raised by a change that only reads what was refused, refuses what was read as something else,
or reads right what was read wrong (16-bit white-is-zero, planes, infrared for alpha, ...): every
other vector of a gallery stays as it is. A reference that came from a wrongly read file keeps its
vector until it is removed and added again.
"""

THUMBNAIL_SIDE = 512
"""Longest side of a thumbnail, pixels: enough to look closely at a specimen. 10 to 50 kB."""

CROP_MODES = ("center", "squash", "border")
"""timm's modes: resize the short side and cut the middle; distort to the square; pad."""

INTERPOLATIONS = MappingProxyType(
    {
        "nearest": Resampling.NEAREST,
        "bilinear": Resampling.BILINEAR,
        "bicubic": Resampling.BICUBIC,
        "box": Resampling.BOX,
        "hamming": Resampling.HAMMING,
        "lanczos": Resampling.LANCZOS,
    }
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a decoded picture becomes the square input of a backbone.

    Raises:
        ValueError: a crop mode or an interpolation that is not known.
    """

    image_size: int
    """Side S of the square, pixels."""
    crop_pct: float
    """Part of the resized side that the centre crop keeps, in (0, 1]."""
    interpolation: str
    """A key of `INTERPOLATIONS`."""
    crop_mode: str
    """One of `CROP_MODES`."""
    mean: tuple[float, float, float]
    """Subtracted after scaling to [0, 1]; RGB."""
    std: tuple[float, float, float]
    """Divided by after that; RGB."""
    max_pixels: int = MAX_PIXELS
    """Of a picture that are decoded at most, at the size that is needed. It decides what is
    refused and no pixel of what is read, so it is no part of the fingerprint."""
    thumbnail_side: int = THUMBNAIL_SIDE
    """Longest side of the thumbnails that are made, pixels; no part of the fingerprint either."""

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"unknown interpolation {self.interpolation!r}")
        if self.crop_mode not in CROP_MODES:
            raise ValueError(f"unknown crop mode {self.crop_mode!r}")
        if not 0 < self.crop_pct <= 1:
            raise ValueError(f"crop_pct must lie in (0, 1], not {self.crop_pct}")

    @property
    def resized_side(self) -> int:
        """Side that the resize aims at before the crop, pixels (timm rounds down)."""
        return math.floor(self.image_size / self.crop_pct)

    @property
    def resampling(self) -> Resampling:
        """Pillow's name of the interpolation."""
        return INTERPOLATIONS[self.interpolation]

    def describe(self) -> str:
        """One line for the fingerprint."""
        mean, std = (",".join(f"{v:g}" for v in values) for values in (self.mean, self.std))
        return (
            f"resize {self.resized_side} {self.interpolation}, {self.crop_mode} crop "
            f"{self.image_size}, mean {mean}, std {std}, decoder {DECODER_RULES}"
        )
