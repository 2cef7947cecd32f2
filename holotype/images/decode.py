"""Bytes of a file in, an upright RGB picture out, or one short reason why not.

Rules (their version is `recipe.DECODER_RULES`):

- JPEG, PNG, WebP, TIFF, BMP, GIF and HEIC/HEIF, told apart by their signature and never by
  a file name. Of several frames or pages the first one counts.
- The EXIF (or XMP) orientation is applied; width and height are those of the upright picture.
- Colour follows `holotype.images.colour`.
- A picture that would cost too much time or memory is refused from its header and structure,
  before any pixel is decoded: `holotype.images.cost` has the bounds.
- What is not pixels never reaches a parser: `holotype.images.container`.
- A file that ends early is refused, even where a part of the picture could be shown: half a
  specimen is not the specimen.
- A JPEG may be decoded at 1/2, 1/4 or 1/8 where the caller says which side suffices.

Plugins are called directly instead of through `Image.open`, so Pillow's process-wide settings
(`MAX_IMAGE_PIXELS`, registered formats) are neither changed nor relied upon, and no other
parser ever sees the bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO

from PIL.Image import DecompressionBombError, Image, Transpose

from holotype.errors import BrokenImage
from holotype.images.colour import to_rgb
from holotype.images.container import Container, examine
from holotype.images.cost import check_pixels, check_structure
from holotype.images.formats import Format, ends_early, open_lazily, sniff

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})

# What parsers raise on bytes that are not what they claim to be. Pillow's plugins mean OSError
# and SyntaxError; the others are what their arithmetic and unpacking run into when fields lie,
# the set that `PIL.Image.open` forgives and what mutated files were seen to end in. They are
# damage only where a parser is at work: anywhere else they are mistakes of ours, and stay so.
# Pillow warns of lesser damage; where the process turns warnings into errors, that is damage too.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    ZeroDivisionError,
    RuntimeError,
    struct.error,
    zlib.error,
    DecompressionBombError,
    Warning,
)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright picture in RGB."""

    image: Image
    """Mode RGB; smaller than width x height by `reduction` where the decoder reduced."""
    width: int
    """Pixels of the original, upright."""
    height: int
    """Pixels of the original, upright."""
    reduction: int = 1
    """1, 2, 4 or 8: side of the original pixels that one pixel of `image` stands for."""


def decode(data: bytes, *, at_least: int | None = None) -> DecodedImage:
    """Read a picture.

    Args:
        data: the whole file.
        at_least: both sides of the result may be as small as this (pixels), never smaller
            unless the picture is. None: full size.

    Raises:
        BrokenImage: with a short reason.
    """
    kind = sniff(data)
    try:
        return _decode(kind, data, at_least)
    except MemoryError as error:
        raise BrokenImage("too costly: there is not enough memory to decode it now") from error


def _decode(kind: Format, data: bytes, at_least: int | None) -> DecodedImage:
    container = examine(kind, data)
    check_structure(kind, container)
    decoded = _parsed(kind, data, container, at_least)
    turn = _UPRIGHT.get(container.orientation)
    if turn is None:
        return decoded
    width, height = decoded.width, decoded.height
    if container.orientation in _SIDEWAYS:
        width, height = height, width
    return replace(decoded, image=decoded.image.transpose(turn), width=width, height=height)


def _parsed(kind: Format, data: bytes, container: Container, at_least: int | None) -> DecodedImage:
    """The picture as it lies in the file; a TIFF and a HEIC are turned by their readers."""
    with _parsing(kind, data):
        image = open_lazily(kind, BytesIO(container.data))
    with image:
        size = image.size
        check_pixels(kind, size, container)
        reduction = _reduce(kind, image, at_least)
        with _parsing(kind, data):
            image.load()
        if kind is Format.TIFF:
            size = image.size
        return DecodedImage(to_rgb(image), *size, reduction)


@contextmanager
def _parsing(kind: Format, data: bytes) -> Iterator[None]:
    """While a parser is at work, what it raises is said of the file."""
    try:
        yield
    except _DAMAGED as error:
        raise BrokenImage(_reason(kind, data, error)) from error


def _reduce(kind: Format, image: Image, at_least: int | None) -> int:
    """Let the JPEG decoder skip what a smaller picture does not need; returns the factor."""
    if kind is not Format.JPEG or at_least is None:
        return 1
    before = image.width
    drafted = image.draft(None, (at_least, at_least))
    if drafted is None:
        return 1
    _mode, (_left, _top, right, _bottom) = drafted
    return round(before / right)


def _reason(kind: Format, data: bytes, error: BaseException) -> str:
    if isinstance(error, DecompressionBombError):
        return "too costly: it would unpack to more pixels than are read"
    if "truncated" in str(error).lower() or ends_early(kind, data):
        return f"truncated {kind}: the file ends before the picture does"
    detail = str(error).strip().splitlines()
    return f"damaged {kind}: {detail[0][:120] if detail else type(error).__name__}"
