"""How the pixels of a TIFF lie in it and what they mean, by its tags; or its refusal by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Literal

from holotype.errors import BrokenImage
from holotype.images.formats import RAW
from holotype.images.tags import Directory


class Tag(IntEnum):
    """The tags that decide (TIFF 6.0; supplements 1 to 3; DNG)."""

    NEW_SUBFILE = 254
    SUBFILE = 255
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIPS = 273
    SAMPLES = 277
    STRIP_ROWS = 278
    STRIP_SIZES = 279
    PLANAR = 284
    PREDICTOR = 317
    COLOURS = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILES = 324
    TILE_SIZES = 325
    SUB_DIRECTORIES = 330
    EXTRA = 338
    FORMAT = 339
    SUBSAMPLING = 530
    DNG_VERSION = 50706


WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
_SENSOR = frozenset({32803, 34892})  # colour filter array, linear raw
_PHOTOMETRIC = MappingProxyType(
    {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 6: "YCbCr"}
    | {32844: "LogL", 32845: "LogLuv", 51177: "a depth map"}
)
_PREDICTED = frozenset({5, 8, 32946, 34925, 50000})
_UNPACKED = _PREDICTED | {1, 32773}
_BILEVEL = frozenset({2, 3, 4})
_JPEG = frozenset({6, 7})
_COMPRESSIONS = MappingProxyType(
    {2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "JPEG", 7: "JPEG", 9: "JBIG", 10: "JBIG"}
    | {32766: "NeXT", 32809: "ThunderScan", 34661: "JBIG", 34676: "SGILog", 34677: "SGILog"}
    | {33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000"}
    | {34713: "NEF", 34887: "LERC", 34892: "JPEG", 22610: "JPEG XR", 34934: "JPEG XR"}
    | {50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"}
)
_COLOURS = MappingProxyType({WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4})
_TABLED = MappingProxyType({**_COLOURS, YCBCR: 3, LAB: 3})
_FLOATS = frozenset({16, 32, 64})
_WHOLE = frozenset({8, 16, 32, 64})
_COREL = 999  # what CorelDRAW 10 wrote for transparency

Alpha = Literal["", "a", "A"]


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """A TIFF's first picture."""

    width: int
    height: int
    bits: int
    kind: Literal["u", "i", "f"]
    """Unsigned, signed, or floating point."""
    samples: int
    """Of a pixel, those that are left out included."""
    planar: bool
    photometric: int
    compression: int
    predictor: int
    reversed: bool
    """Bytes hold their lowest bit first."""
    alpha: Alpha
    """Of the sample after the colours: none, premultiplied ("a"), or not ("A")."""
    tile: tuple[int, int] | None
    """Width and height of a tile; None: strips."""
    strip_rows: int

    @property
    def colours(self) -> int:
        """Samples that are colour."""
        return _COLOURS[self.photometric]

    @property
    def used(self) -> int:
        """Samples that are shown."""
        return self.colours + bool(self.alpha)

    @property
    def across(self) -> int:
        """Tiles side by side; 1 of strips."""
        return -(-self.width // self.tile[0]) if self.tile else 1

    @property
    def piece(self) -> tuple[int, int]:
        """Width of a tile or a strip, pixels, and its bytes a row."""
        width = self.tile[0] if self.tile else self.width
        return width, -(-width * self.bits * (1 if self.planar else self.samples) // 8)

    @property
    def pieces(self) -> int:
        """Tiles or strips of one plane."""
        rows = self.tile[1] if self.tile else self.strip_rows
        return self.across * -(-self.height // rows)

    @property
    def narrow(self) -> bool:
        """Unsigned, and of at most 16 bits: it has an agreed white."""
        return self.kind == "u" and self.bits <= 16


def layout_of(tags: Directory) -> TiffLayout | None:
    """What the tags say; None of a plain picture, which Pillow reads right.

    Raises:
        BrokenImage: it is a camera's raw file, or of a kind that is not read.
    """
    _check_raw(tags)
    photometric = tags.first(Tag.PHOTOMETRIC, WHITE_IS_ZERO)
    compression = tags.first(Tag.COMPRESSION, 1)
    samples = tags.first(Tag.SAMPLES, 1)
    bits = _all(tags, Tag.BITS, 1, "bits a sample")
    format_ = _all(tags, Tag.FORMAT, 1, "sample formats")
    planar = tags.first(Tag.PLANAR, 1) == 2 and samples > 1
    extra = [int(value) for value in tags.all(Tag.EXTRA)]
    if _is_plain(tags, photometric, compression, samples, bits, format_, extra, planar=planar):
        return None
    _check_supported(photometric, compression, samples, bits, format_)
    layout = TiffLayout(
        width=tags.first(Tag.WIDTH, 0),
        height=tags.first(Tag.HEIGHT, 0),
        bits=bits,
        kind={2: "i", 3: "f"}.get(format_, "u"),  # type: ignore[arg-type]
        samples=samples,
        planar=planar,
        photometric=photometric,
        compression=compression,
        predictor=tags.first(Tag.PREDICTOR, 1) if compression in _PREDICTED else 1,
        reversed=tags.first(Tag.FILL_ORDER, 1) == 2,
        alpha=_alpha(samples - _COLOURS[photometric], extra, photometric),
        tile=_tile(tags),
        strip_rows=max(1, min(tags.first(Tag.STRIP_ROWS, 2**32), tags.first(Tag.HEIGHT, 1))),
    )
    _check_predictor(layout)
    return layout


def _check_raw(tags: Directory) -> None:
    reduced = tags.first(Tag.NEW_SUBFILE, 0) & 1 or tags.first(Tag.SUBFILE, 1) == 2
    sensor = tags.first(Tag.PHOTOMETRIC, 0) in _SENSOR
    if Tag.DNG_VERSION in tags or sensor or (reduced and Tag.SUB_DIRECTORIES in tags):
        raise BrokenImage(RAW)
    if reduced:
        raise BrokenImage(
            "its first picture is only a reduced copy of another: save the whole picture as a file "
            "of its own"
        )


def _all(tags: Directory, tag: Tag, default: int, what: str) -> int:
    """The one value of all samples."""
    values = {int(value) for value in tags.all(tag)} or {default}
    if len(values) > 1:
        listed = ", ".join(map(str, tags.all(tag)[:8].tolist()))
        raise BrokenImage(f"a TIFF of different {what} ({listed}) is not read")
    return values.pop()


def _is_plain(
    tags: Directory,
    photometric: int,
    compression: int,
    samples: int,
    bits: int,
    format_: int,
    extra: Sequence[int],
    *,
    planar: bool,
) -> bool:
    """Whether Pillow's table has the layout, and reads it as the tags say."""
    if format_ not in {1, 4} or tags.big_and_big_endian:
        return False
    colours = _TABLED.get(photometric, samples + 1)
    if compression in _JPEG:
        return bits == 8 and len(extra) == samples - colours
    if photometric == YCBCR and bits == 8 and samples == colours:
        # Unpacked by libtiff with its subsampling; what is not packed has none, or is garbage.
        chunky = not planar and tags.all(Tag.SUBSAMPLING).tolist() == [1, 1]
        return compression in _PREDICTED or chunky
    straight = tags.first(Tag.FILL_ORDER, 1) == 1 or compression in _BILEVEL
    if planar or not straight or compression not in _UNPACKED | _BILEVEL:
        return False
    if samples == 1:
        return bits in {1, 2, 4, 8} and photometric in {WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE}
    declared = len(extra) == samples - colours and set(extra) <= {0}
    return bits == 8 and declared and photometric in {RGB, CMYK, LAB}


def _check_supported(
    photometric: int, compression: int, samples: int, bits: int, format_: int
) -> None:
    if compression not in _UNPACKED:
        name = _COMPRESSIONS.get(compression, f"unknown ({compression})")
        raise BrokenImage(
            f"a TIFF of {samples} x {bits} bits in {name} compression is not read: save it with "
            "LZW, Deflate or none"
        )
    if photometric not in _COLOURS:
        name = _PHOTOMETRIC.get(photometric, f"unknown ({photometric})")
        raise BrokenImage(
            f"a TIFF whose photometric interpretation is {name} with {samples} x {bits} bits is "
            "not read: save it as RGB"
        )
    if samples < _COLOURS[photometric]:
        raise BrokenImage(f"damaged TIFF: {samples} samples a pixel, too few for its colours")
    fits = {1: bits in _WHOLE or bits <= 32, 2: bits in _WHOLE or bits <= 32, 3: bits in _FLOATS}
    if not fits.get(format_ if format_ != 4 else 1, False) or bits < 1:
        kind = {1: "whole numbers", 2: "signed numbers", 3: "floating point"}.get(
            format_, f"sample format {format_}"
        )
        raise BrokenImage(f"a TIFF of {kind} of {bits} bits is not read")
    if photometric == PALETTE and (bits > 16 or format_ != 1):
        raise BrokenImage(f"a TIFF of palette indices of {bits} bits is not read")


def _alpha(extras: int, extra: Sequence[int], photometric: int) -> Alpha:
    if extras < 1 or not extra or photometric == CMYK:
        return ""
    first = extra[0]
    return "a" if first == 1 else "A" if first in {2, _COREL} else ""


def _tile(tags: Directory) -> tuple[int, int] | None:
    if Tag.TILES not in tags:
        return None
    size = tags.first(Tag.TILE_WIDTH, 0), tags.first(Tag.TILE_HEIGHT, 0)
    if min(size) < 1:
        raise BrokenImage(f"damaged TIFF: tiles of {size[0]} x {size[1]} pixels")
    return size


def _check_predictor(layout: TiffLayout) -> None:
    fits = {1: True, 2: layout.bits in _WHOLE, 3: layout.kind == "f"}
    if not fits.get(layout.predictor, False):
        raise BrokenImage(
            f"a TIFF with predictor {layout.predictor} on {layout.bits} bits is not read"
        )
    if layout.tile and layout.tile[0] * layout.bits % 8:
        raise BrokenImage(f"a TIFF with tiles of {layout.tile[0]} x {layout.bits} bits is not read")


def unpacked_bytes(layout: TiffLayout) -> int:
    """Bytes of everything that is unpacked at once, and of one tile."""
    tile = layout.piece[1] * layout.tile[1] if layout.tile else 0
    planes = layout.used if layout.planar else 1
    return math.prod((layout.height, layout.across, layout.piece[1], planes)) + tile
