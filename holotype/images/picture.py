"""One file's bytes to everything that a reference needs of it, apart from its vector."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from holotype.images.decode import DecodedImage, decode
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels, square

THUMBNAIL_QUALITY = 80

DRAFT_MARGIN = 2
"""A JPEG is decoded to no less than this multiple of the side that the resize needs.

The scaled decoder keeps the low frequencies of each block; the resize then still sees at least
two pixels for each one it makes. Measured against the full decode, on mosaics of photographs that
are sharp to the pixel, which is harder than photographs: DINOv2 ViT-S/14 keeps cosine 0.9997 or
more, EfficientNet-Lite0 0.9987 or more (noise of one grey level moves it to 0.977). A margin of 1
would leave 0.998 and 0.978. `tests/holotype/encoder/test_golden.py` holds the bound.
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, ready for the encoder."""

    pixels: Pixels
    """(S, S, 3) uint8, RGB."""
    width: int
    """Pixels of the original, upright."""
    height: int
    """Pixels of the original, upright."""
    thumbnail: bytes
    """JPEG of the whole picture, see `make_thumbnail`."""
    note: str | None = None
    """See `DecodedImage.note`."""


def read_picture(data: bytes, recipe: Recipe) -> Picture:
    """Decode, bring to the backbone's square, and make a thumbnail.

    Safe to call from several threads; Pillow lets go of the interpreter lock in the costly parts.

    Raises:
        BrokenImage: the bytes cannot be used; the reason is short.
    """
    decoded = _decode(data, recipe)
    return Picture(
        pixels=_square(decoded, recipe),
        width=decoded.width,
        height=decoded.height,
        thumbnail=make_thumbnail(decoded.image, recipe.thumbnail_side),
        note=decoded.note,
    )


def read_pixels(data: bytes, recipe: Recipe) -> Pixels:
    """The pixels alone, the very same, for a query: (S, S, 3) uint8, RGB.

    Raises:
        BrokenImage: as for `read_picture`.
    """
    return _square(_decode(data, recipe), recipe)


def make_thumbnail(image: Image.Image, side: int) -> bytes:
    """A JPEG of a picture in mode RGB, at most `side` pixels long; small ones keep their size."""
    longest = max(image.size)
    if longest > side:
        scale = side / longest
        width, height = (max(1, round(side * scale)) for side in image.size)
        # reducing_gap averages whole blocks first: faster, no visible difference.
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
    file = BytesIO()
    image.save(file, "JPEG", quality=THUMBNAIL_QUALITY)
    return file.getvalue()


def _decode(data: bytes, recipe: Recipe) -> DecodedImage:
    return decode(data, at_least=DRAFT_MARGIN * recipe.resized_side, max_pixels=recipe.max_pixels)


def _square(decoded: DecodedImage, recipe: Recipe) -> Pixels:
    original = (decoded.width, decoded.height)
    return square(decoded.image, recipe, original=original, reduction=decoded.reduction)
