"""TIFF files that are more than 8-bit pictures, read as their own tags say.

Pillow reads a TIFF by a table of layouts, and for some that are not in it, or only nearly, it
shows something else: 16-bit white-is-zero comes out inverted, 16-bit planes as garbage, a band
of infrared as transparency, 12 bits a sample next to black. So it reads the plain ones alone
(`holotype.images.tiff_layout`). Of the others it only unpacks the bytes, in every compression
that libtiff has and never more than the picture's size; this module says what they mean:

- Bits a sample from 1 to 32, whole numbers or floating point of 16, 32 and 64; byte order, order
  of bits, strips, tiles, planes and predictors by their tags.
- Unsigned numbers of up to 16 bits: 0 is black and the largest that the bits can hold is white.
  Never clipped and never stretched, so that two exposures stay comparable.
- Wider, signed and floating-point numbers by the rules of `holotype.images.colour`, all colours
  of the picture together.
- White-is-zero pictures are inverted at the end. Palette indices show the colour map.
- Grey, RGB and CMYK take their 1, 3 and 4 first samples. Another sample is transparency only
  where the tag ExtraSamples says so; all others are left out.
- A first directory that is only a reduced copy, or sensor data, is a camera's raw file: refused
  by that name, as is every compression, photometric interpretation or layout that is not here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from holotype.errors import BrokenImage
from holotype.images.colour import FEW, stretched, wide_range
from holotype.images.tags import Directory, Values
from holotype.images.tiff_layout import CMYK, PALETTE, WHITE_IS_ZERO, Tag, TiffLayout

Bytes = npt.NDArray[np.uint8]
Samples = npt.NDArray[Any]

_BAND_SAMPLES = 2**20
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def unpack(data: bytes, tags: Directory, layout: TiffLayout) -> list[Image.Image]:
    """The bytes of each plane that is shown, or of all samples together where they are chunky.

    Each is a picture of bytes, as high as the picture, tiles side by side at their full width.

    Raises:
        BrokenImage: strips or tiles are missing.
        Errors of Pillow's parser: the bytes cannot be unpacked.
    """
    data = data.translate(_REVERSED) if layout.reversed else data
    starts = tags.all(Tag.TILES if layout.tile else Tag.STRIPS)
    sizes = tags.all(Tag.TILE_SIZES if layout.tile else Tag.STRIP_SIZES)
    if not len(sizes) and layout.compression == 1:  # old writers left them out
        sizes = np.full(len(starts), layout.piece[1] * layout.strip_rows)
    planes = layout.used if layout.planar else 1
    n = layout.pieces
    if min(len(starts), len(sizes)) < n * planes:
        raise BrokenImage(f"damaged TIFF: it has {len(starts)} of {n * planes} strips or tiles")
    return [
        _unpack_plane(data, layout, starts[p * n : (p + 1) * n], sizes[p * n : (p + 1) * n])
        for p in range(planes)
    ]


def _unpack_plane(data: bytes, layout: TiffLayout, starts: Values, sizes: Values) -> Image.Image:
    """Let Pillow read the bytes as if they were a grey picture of 8 bits."""
    from PIL.TiffImagePlugin import TiffImageFile

    width, row = layout.across * layout.piece[1], layout.piece[1]
    fields = {Tag.WIDTH: [width], Tag.HEIGHT: [layout.height], Tag.BITS: [8], Tag.PHOTOMETRIC: [1]}
    fields |= {Tag.COMPRESSION: [layout.compression], Tag.SAMPLES: [1]}
    if layout.tile:
        fields |= {Tag.TILE_WIDTH: [row], Tag.TILE_HEIGHT: [layout.tile[1]]}
        fields |= {Tag.TILES: starts.tolist(), Tag.TILE_SIZES: sizes.tolist()}
    else:
        fields |= {Tag.STRIP_ROWS: [layout.strip_rows]}
        fields |= {Tag.STRIPS: starts.tolist(), Tag.STRIP_SIZES: sizes.tolist()}
    with BytesIO(_with_directory(data, fields)) as file:  # closed, it holds no copy of the data
        image = TiffImageFile(file)
        image.load()
    return image


def _with_directory(data: bytes, fields: dict[Tag, list[int]]) -> bytes:
    """The same bytes, behind another first directory, of 4-byte numbers."""
    at = len(data) + len(data) % 2
    rest = at + 2 + 12 * len(fields) + 4
    entries, values = [], []
    for tag, numbers in sorted(fields.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        where = packed if len(numbers) == 1 else struct.pack("<I", rest)
        entries.append(struct.pack("<HHI", tag, 4, len(numbers)) + where)
        if len(numbers) > 1:
            values.append(packed)
            rest += len(packed)
    head = struct.pack("<2sHI", b"II", 42, at)
    directory = struct.pack("<H", len(fields)) + b"".join(entries) + bytes(4)
    return b"".join([head, memoryview(data)[8:], bytes(at - len(data)), directory, *values])


def show(
    planes: Sequence[Image.Image], tags: Directory, layout: TiffLayout, *, little: bool
) -> tuple[Image.Image, bool]:
    """What the bytes mean.

    Args:
        planes: from `unpack`.
        tags: of the file.
        layout: its layout.
        little: whether its numbers have their lowest byte first.

    Returns:
        The picture in a mode of 8 bits that says what its samples are, and whether it has 16 bits
        of which the highest ones are never used.

    Raises:
        BrokenImage: there is no finite pixel, or no colour map.
    """
    low, high = (0.0, 0.0)
    if not layout.narrow:
        bands = _bands(planes, layout, little)
        low, high = wide_range(band[..., : layout.colours] for _, band in bands)
    table = _colour_map(tags, layout) if layout.photometric == PALETTE else None
    wide = layout.colours if table is None else 3
    seen = np.empty((layout.height, layout.width, wide + bool(layout.alpha)), np.uint8)
    most = 0
    for rows, band in _bands(planes, layout, little):
        colours = band[..., : layout.colours]
        if table is not None:
            seen[rows, :, :3] = table[colours[..., 0]]
        elif layout.narrow:
            most = max(most, int(colours.max()))
            seen[rows, :, :wide] = _high_bits(colours, layout.bits)
        else:
            seen[rows, :, :wide] = stretched(colours, low, high)
        if layout.photometric == WHITE_IS_ZERO:
            seen[rows, :, 0] = np.where(np.isfinite(colours[..., 0]), 255 - seen[rows, :, 0], 0)
        if layout.alpha:
            seen[rows, :, wide] = _opacity(band[..., layout.colours], layout)
    return _as_image(seen, layout), layout.bits == 16 and table is None and 0 < most < FEW


def _bands(
    planes: Sequence[Image.Image], layout: TiffLayout, little: bool
) -> Iterator[tuple[slice, Samples]]:
    """The samples that are shown, some rows (R, W, used) at a time, in their own numbers."""
    each = max(1, _BAND_SAMPLES // (layout.width * layout.samples))
    for top in range(0, layout.height, each):
        bottom = min(top + each, layout.height)
        parts = [
            _samples(np.asarray(plane.crop((0, top, plane.width, bottom))), layout, little)
            for plane in planes
        ]
        band = np.concatenate(parts, axis=-1) if layout.planar else parts[0]
        yield slice(top, bottom), band[..., : layout.used]


def _samples(rows: Bytes, layout: TiffLayout, little: bool) -> Samples:
    """Bytes (R, across x bytes of a tile's row) to samples (R, W, S)."""
    width, size = layout.piece
    samples = 1 if layout.planar else layout.samples
    pieces = rows.reshape(-1, size)
    if layout.predictor == 3:
        numbers = _unshuffled(pieces, width * samples, samples, layout.bits // 8)
    else:
        numbers = _numbers(pieces, width * samples, layout.bits, little)
    numbers = numbers.reshape(len(pieces), width, samples)
    if layout.predictor == 2:  # differences to the pixel on the left
        numbers = np.cumsum(numbers, axis=1, dtype=numbers.dtype)
    return _signed(numbers.reshape(len(rows), -1, samples)[:, : layout.width], layout)


def _numbers(pieces: Bytes, count: int, bits: int, little: bool) -> Samples:
    """Unsigned numbers (N, count), one after the other in each row of bytes."""
    if bits in {8, 16, 32, 64}:
        size = bits // 8
        packed = np.ascontiguousarray(pieces[:, : count * size])
        order = "<" if little else ">"
        return packed.view(f"{order}u{size}").astype(f"u{size}", copy=False)
    if bits == 24:
        three = pieces[:, : count * 3].reshape(len(pieces), count, 3).astype(np.uint32)
        first, last = (2, 0) if little else (0, 2)
        return three[..., first] << 16 | three[..., 1] << 8 | three[..., last]
    # As many whole bytes as a number can lie in, as one number, of which the rest is cut off.
    spread = (bits + 14) // 8
    wide = np.uint32 if spread <= 4 else np.uint64
    padded = np.pad(pieces, [(0, 0), (0, spread)])
    at = np.arange(count) * bits
    words = np.zeros((len(pieces), count), wide)
    for byte in range(spread):
        words <<= wide(8)
        words |= padded[:, at // 8 + byte]
    words >>= (8 * spread - bits - at % 8).astype(wide)
    words &= wide(2**bits - 1)
    return words.astype(np.uint16 if bits <= 16 else np.uint32)


def _unshuffled(pieces: Bytes, count: int, samples: int, size: int) -> Samples:
    """Undo the floating-point predictor (Adobe Photoshop TIFF technical note 3)."""
    rows = pieces[:, : count * size].reshape(len(pieces), -1, samples)
    planes = np.cumsum(rows, axis=1, dtype=np.uint8).reshape(len(pieces), size, count)
    packed = np.ascontiguousarray(planes.transpose(0, 2, 1))  # highest bytes came first
    return packed.view(f">u{size}").astype(f"u{size}")[..., 0]


def _signed(numbers: Samples, layout: TiffLayout) -> Samples:
    """Unsigned numbers as what they are."""
    if layout.kind == "u":
        return numbers
    if layout.bits in {8, 16, 32, 64}:
        return numbers.view(f"{layout.kind}{layout.bits // 8}")
    wide = numbers.astype(np.int64)
    return wide - ((wide >> (layout.bits - 1)) << layout.bits)


def _high_bits(numbers: Samples, bits: int) -> Bytes:
    """0..2**bits - 1 to 0..255: the highest eight bits; fewer are spread evenly."""
    if bits >= 8:
        return (numbers >> (bits - 8)).astype(np.uint8, copy=False)
    spread = np.rint(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)
    seen: Bytes = spread[numbers]
    return seen


def _opacity(numbers: Samples, layout: TiffLayout) -> Bytes:
    """Transparency of 0 to 1 as floating point, else of 0 to the largest number."""
    if layout.narrow:
        return _high_bits(numbers, layout.bits)
    most = {"f": 1.0, "u": 2.0**layout.bits - 1, "i": 2.0 ** (layout.bits - 1) - 1}[layout.kind]
    share = np.nan_to_num(numbers.astype(np.float64) / most, posinf=1.0, neginf=0.0)
    opacity: Bytes = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    return opacity


def _colour_map(tags: Directory, layout: TiffLayout) -> Bytes:
    """(2**bits, 3): the high bytes of the colour map."""
    colours = tags.all(Tag.COLOURS)
    if len(colours) != 3 * 2**layout.bits:
        raise BrokenImage(f"damaged TIFF: a colour map of {len(colours)} numbers")
    table: Bytes = (colours.reshape(3, -1).T >> 8).astype(np.uint8)
    return table


def _as_image(seen: Bytes, layout: TiffLayout) -> Image.Image:
    size = seen.shape[1], seen.shape[0]
    if layout.photometric == CMYK:
        return Image.frombuffer("CMYK", size, seen, "raw", "CMYK", 0, 1)
    if seen.shape[2] == 2:
        seen = np.ascontiguousarray(seen[..., [0, 0, 0, 1]])
    if layout.alpha == "a":
        return Image.frombuffer("RGBa", size, seen, "raw", "RGBa", 0, 1).convert("RGBA")
    return Image.fromarray(seen[..., 0] if seen.shape[2] == 1 else seen)
