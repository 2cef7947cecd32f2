"""What reading a picture may cost, decided before any pixel is decoded.

Decoding happens in threads of this process and cannot be cut short; a process a picture would
cost more than most pictures do. So the cost itself is bounded, from what the header and the
structure say. That holds because the work of every decoder that is used here is linear in what
is counted:

- Pixels: at most `MAX_PIXELS` (or the setting) at the size that is decoded, which for a JPEG is the
  size that is needed; at most `MAX_SIDE` on a side, the longer side at most
  `MAX_ASPECT` times the shorter (every row costs memory of its own, and a square cut out of a
  longer needle shows next to nothing of it).
- A decoder goes over all pixels once, in 3 to 60 ns each (`python -m benchmarks.torture.pictures`
  measures it): BMP and TIFF 4, PNG 11, JPEG 20, WebP and AVIF 42, HEIC 60 with noise for a
  picture. A JPEG of several scans is gone over in each, at 3 ns a pixel or less: at most
  `MAX_SCANS` of them, and at most `MAX_SCANNED` pixels in all of them together. A TIFF that is
  read by its tags takes 10 ns a sample, 45 where it is stretched: at most `SAMPLES` times as many
  as pixels, and once as many. All that is about five seconds of one core for the worst that is
  let through, and a second for a large photograph.
- Whatever is unpacked ends where the picture is full, so the size of compressed data bounds
  nothing and need not be known. Frames after the first are not decoded.
- A HEIC may be put together of others: at most twice `MAX_PIXELS` in all of them.
- Strips and tiles of a TIFF are set up one by one: at most `MAX_PIECES`. The directory may claim
  no more bytes than the file has, twice over: a parser copies them all.
- A run-length coded BMP is decoded run by run in Python: at most `MAX_RUN_BYTES` of them.
- Memory: `MAX_MEMORY` at the peak, from the bytes a pixel that each decoder was seen to hold.
"""

from __future__ import annotations

import math
from types import MappingProxyType

from holotype.errors import BrokenImage
from holotype.images.container import Container
from holotype.images.formats import Format
from holotype.images.tiff_layout import Tag, TiffLayout, unpacked_bytes

MAX_PIXELS = 89_478_485
"""Width times height as decoded, unless a setting says otherwise. Pillow warns of a decompression
bomb above this; here it is an error."""

GONE_OVER = 4
"""A JPEG that is decoded at a fraction of its size is gone over whole, at a fraction of the time
and memory: it may have so many times the pixels. Telephones make 200 megapixels."""

SAMPLES = 4
"""A TIFF that is read by its tags may have so many times as many samples; of numbers that are
stretched, which take 45 ns each and not 10, only as many as pixels."""

MAX_SIDE = 100_000
"""Pixels. JPEG ends at 65,500."""

MAX_ASPECT = 10_000
"""Longer side by shorter."""

MAX_SCANS = 100
"""Of one JPEG. Encoders write about ten; libtiff has the same bound."""

MAX_SCANNED = 1_200_000_000
"""Pixels times scans: a photograph of 108 megapixels in eleven scans."""

MAX_PIECES = 100_000
"""Strips and tiles of a TIFF: one a row, of three planes, in the tallest camera's picture."""

MAX_RUN_BYTES = 4 * 2**20

MAX_MEMORY = 3 * 2**29
"""Bytes that one picture may take at the peak: 1.5 GiB; more where more pixels are allowed."""

_PEAK = MappingProxyType(
    # Bytes a pixel: what the decoder holds, Pillow's picture and its copy in RGB.
    {
        Format.JPEG: 9,
        Format.PNG: 10,
        Format.GIF: 8,
        Format.BMP: 9,
        Format.TIFF: 13,
        Format.WEBP: 18,
        Format.HEIF: 11,
        Format.AVIF: 17,
    }
)


def pixels_allowed(megapixels: int | None) -> int:
    """Most pixels that are decoded of one picture, by the setting of that name."""
    return MAX_PIXELS if megapixels is None else megapixels * 10**6


def check_structure(kind: Format, container: Container, max_pixels: int) -> None:
    """Whether a parser may open this file.

    Args:
        kind: its format.
        container: its structure.
        max_pixels: that are decoded at most.

    Raises:
        BrokenImage: it would cost too much; the reason says what, and what the bound is.
    """
    data, tags = container.data, container.tags
    if container.size is not None:
        check_pixels(kind, container.size, container, max_pixels)
    if container.decoded > 2 * max_pixels:
        raise BrokenImage(
            f"too costly: it is put together of {container.decoded / 1e6:,.0f} million pixels"
        )
    if tags is not None:
        pieces = max(len(tags.all(tag)) for tag in (Tag.STRIPS, Tag.TILES))
        if pieces > MAX_PIECES:
            raise BrokenImage(f"too costly: {pieces} strips or tiles, at most {MAX_PIECES:,}")
        tile = tags.first(Tag.TILE_WIDTH, 0) * tags.first(Tag.TILE_HEIGHT, 0)
        if tile > max_pixels:
            raise BrokenImage(f"too costly: tiles of {tile / 1e6:,.0f} million pixels")
        if tags.declared > 2 * len(data) + 2**20:
            raise BrokenImage("damaged TIFF: its tags claim more bytes than the file has")
    if kind is Format.BMP and data[30:31] in {b"\1", b"\2"} and len(data) > MAX_RUN_BYTES:
        raise BrokenImage("too costly: a run-length coded BMP of more than 4 MiB")


def check_pixels(
    kind: Format,
    size: tuple[int, int],
    container: Container,
    max_pixels: int,
    *,
    reduction: int = 1,
) -> None:
    """Whether the pixels may be decoded.

    Args:
        kind: its format.
        size: width and height by its header.
        container: its structure.
        max_pixels: that are decoded at most.
        reduction: side of the pixels that are decoded to one.

    Raises:
        BrokenImage: as for `check_structure`.
    """
    if min(size) < 1:
        raise BrokenImage(f"damaged: the header says {size[0]} x {size[1]} pixels")
    pixels = math.prod(size)
    decoded = math.prod(-(-side // reduction) for side in size)
    _check_area(size, decoded, max_pixels)
    _check_area(size, pixels, GONE_OVER * max_pixels)
    _check_sides(*size)
    _check_scans(pixels, container.scans)
    peak = decoded * _PEAK[kind] + 2 * container.samples * pixels
    _check_memory(kind, size, peak, max_pixels)


def check_layout(layout: TiffLayout, container: Container, max_pixels: int) -> None:
    """The same for a TIFF that is read by its tags: its bytes are unpacked, and then shown.

    Raises:
        BrokenImage: as for `check_structure`.
    """
    size = layout.width, layout.height
    check_pixels(Format.TIFF, size, container, max_pixels)
    numbers = math.prod(size) * (layout.used if layout.planar else layout.samples)
    most = SAMPLES * max_pixels if layout.narrow else max_pixels
    if numbers > most:
        raise BrokenImage(
            f"too costly: {size[0]} x {size[1]} pixels of {layout.samples} samples of "
            f"{layout.bits} bits, at most {most // 10**6} million samples of this kind are read"
        )
    peak = unpacked_bytes(layout) + max(8 * math.prod(size), len(container.data))
    _check_memory(Format.TIFF, size, peak, max_pixels)


def _check_memory(kind: Format, size: tuple[int, int], peak: float, max_pixels: int) -> None:
    most = MAX_MEMORY * max(1.0, max_pixels / MAX_PIXELS)
    if peak > most:
        raise BrokenImage(
            f"too costly: decoding {size[0]} x {size[1]} pixels of this {kind} takes "
            f"{peak / 2**30:.1f} GiB of memory, at most {most / 2**30:.1f} are used"
        )


def _check_sides(width: int, height: int) -> None:
    said = f"too costly: {width} x {height} pixels"
    if max(width, height) > MAX_SIDE:
        raise BrokenImage(f"{said}, at most {MAX_SIDE:,} on a side are read")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise BrokenImage(f"{said}, one side may be {MAX_ASPECT:,} times the other")


def _check_area(size: tuple[int, int], pixels: int, most: int) -> None:
    if pixels > most:
        raise BrokenImage(
            f"too costly: {size[0]} x {size[1]} pixels, at most {most // 10**6} million are read "
            "(setting HOLOTYPE_MAX_MEGAPIXELS)"
        )


def _check_scans(pixels: int, scans: int) -> None:
    most = min(MAX_SCANS, MAX_SCANNED // pixels)
    if scans > max(1, most):
        raise BrokenImage(f"too costly: {scans} scans, at most {most} are read of this size")
