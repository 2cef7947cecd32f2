"""Bytes of a file in, an upright RGB picture out, or one short reason why not.

Rules (their version is `recipe.DECODER_RULES`):

- JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC/HEIF and AVIF, told apart by their signature and never by
  a file name. Of several frames or pages the first one counts. A camera's raw file is refused by
  that name.
- The EXIF (or XMP) orientation is applied; width and height are those of the upright picture.
- Colour follows `holotype.images.colour`; a TIFF is read as its own tags say: `tiff`.
- A picture that would cost too much time or memory is refused from its header and structure,
  before any pixel is decoded: `holotype.images.cost` has the bounds.
- What is not pixels never reaches a parser: `holotype.images.container`.
- A file that ends early is refused, even where a part of the picture could be shown: half a
  specimen is not the specimen. A JPEG that lacks its end marker alone is whole.
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
from holotype.images.colour import to_rgb, uses_few_bits
from holotype.images.container import Container, examine
from holotype.images.cost import MAX_PIXELS, check_layout, check_pixels, check_structure
from holotype.images.formats import Format, ends_early, open_lazily, sniff
from holotype.images.jpeg import with_end
from holotype.images.tags import ORIENTATION, orientation
from holotype.images.tiff import show, unpack
from holotype.images.tiff_layout import TiffLayout, layout_of

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


FEW_BITS = (
    "few of its 16 bits are used, so it looks dark: stretch such pictures to the whole range, all "
    "by the same factor, before they are added"
)
"""The note on a picture whose values lie below a quarter of white."""


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
    note: str | None = None
    """What a person should know of it, in words that are the same for all such pictures."""


def decode(
    data: bytes, *, at_least: int | None = None, max_pixels: int = MAX_PIXELS
) -> DecodedImage:
    """Read a picture.

    Args:
        data: the whole file.
        at_least: both sides of the result may be as small as this (pixels), never smaller
            unless the picture is. None: full size.
        max_pixels: that are decoded at most, at the size that is needed.

    Raises:
        BrokenImage: with a short reason.
    """
    kind = sniff(data)
    need = _Need(at_least, max_pixels)
    try:
        container = examine(kind, data)
        check_structure(kind, container, max_pixels)
        return _turned(_parsed(kind, data, container, need), container.orientation)
    except MemoryError as error:
        raise BrokenImage("too costly: there is not enough memory to decode it now") from error


@dataclass(frozen=True, slots=True)
class _Need:
    """What the caller of `decode` asks for."""

    at_least: int | None
    max_pixels: int


def _turned(decoded: DecodedImage, orientation: int) -> DecodedImage:
    turn = _UPRIGHT.get(orientation)
    if turn is None:
        return decoded
    width, height = decoded.width, decoded.height
    if orientation in _SIDEWAYS:
        width, height = height, width
    return replace(decoded, image=decoded.image.transpose(turn), width=width, height=height)


def _parsed(kind: Format, data: bytes, container: Container, need: _Need) -> DecodedImage:
    """The picture as it lies in the file; some readers have turned it by then."""
    layout = layout_of(container.tags) if container.tags is not None else None
    if layout is not None:
        return _read_tiff(data, container, layout, need)
    with _parsing(kind, data):
        image = open_lazily(kind, BytesIO(container.data))
    with image:
        size = image.size
        reduction = _reduce(kind, image, need.at_least)
        check_pixels(kind, size, container, need.max_pixels, reduction=reduction)
        if container.unended is not None:
            return _read_unended(data, container, need)
        with _parsing(kind, data):
            image.load()
        if kind is Format.TIFF:
            size = image.size
        note = FEW_BITS if container.deep and uses_few_bits(image) else None
        rgb = to_rgb(image, means_alpha=kind is not Format.BMP)
        decoded = DecodedImage(rgb, *size, reduction, note)
        if kind is Format.AVIF:  # whose reader tells what its boxes say in this way
            return _turned(decoded, orientation(image.info.get("exif", b""), b""))
        return decoded


def _read_unended(data: bytes, container: Container, need: _Need) -> DecodedImage:
    """A JPEG without an end marker, if it lacks nothing else."""
    assert container.unended is not None
    with _parsing(Format.JPEG, data):
        ended = with_end(container.data, container.unended, need.at_least)
    if ended is None:
        raise BrokenImage(_truncated(Format.JPEG))
    return _parsed(Format.JPEG, data, replace(container, data=ended, unended=None), need)


def _read_tiff(data: bytes, container: Container, layout: TiffLayout, need: _Need) -> DecodedImage:
    tags = container.tags
    assert tags is not None
    check_layout(layout, container, need.max_pixels)
    with _parsing(Format.TIFF, data):
        planes = unpack(data, tags, layout)
    image, few = show(planes, tags, layout, little=data[:2] == b"II")
    del planes
    note = FEW_BITS if few else None
    decoded = DecodedImage(to_rgb(image), layout.width, layout.height, note=note)
    return _turned(decoded, tags.first(ORIENTATION, 1))


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
        return _truncated(kind)
    detail = str(error).strip().splitlines()
    return f"damaged {kind}: {detail[0][:120] if detail else type(error).__name__}"


def _truncated(kind: Format) -> str:
    return f"truncated {kind}: the file ends before the picture does"
