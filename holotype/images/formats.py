"""Which picture formats are read, how each is recognised, and which parser reads it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from io import BytesIO
from types import MappingProxyType

import numpy as np
from PIL.ImageFile import ImageFile

from holotype.errors import BrokenImage
from holotype.images.tags import Directory


class Format(StrEnum):
    """A format that is read."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    TIFF = "TIFF"
    BMP = "BMP"
    GIF = "GIF"
    HEIF = "HEIC"
    AVIF = "AVIF"


RAW = "a camera's raw file, which is not read: export the picture as TIFF or JPEG"
_UNSUPPORTED = f"not a picture in a supported format ({', '.join(Format)})"

_SIGNATURES = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"II+\0", Format.TIFF),  # BigTIFF
    (b"MM\0+", Format.TIFF),
    (b"BM", Format.BMP),
)

_RAW_SIGNATURES = (
    b"FUJIFILMCCD-RAW",
    b"IIRO",  # Olympus
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # Panasonic
    b"\0MRM",  # Minolta
    b"FOVb",  # Sigma
    b"IIII\x88\xa9",  # Phase One
)

# Major brands of still pictures and sequences, ISO/IEC 23008-12 annex B and E.
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff(data: bytes) -> Format:
    """Recognise a format by its signature.

    Raises:
        BrokenImage: the file is empty, or no supported picture.
    """
    if not data:
        raise BrokenImage("empty file")
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Format.WEBP
    if data[4:8] == b"ftyp":
        return _sniff_boxes(data)
    if data.startswith(_RAW_SIGNATURES):
        raise BrokenImage(RAW)
    raise BrokenImage(_UNSUPPORTED)


def _sniff_boxes(data: bytes) -> Format:
    """An ISO media file by its brands: the major one, then the compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    if brands[0] == b"crx ":  # Canon
        raise BrokenImage(RAW)
    if brands[0] in _AVIF_BRANDS:
        return Format.AVIF
    if brands[0] in _HEIF_BRANDS:
        means_avif = brands[0] in {b"mif1", b"msf1"} and not _AVIF_BRANDS.isdisjoint(brands)
        return Format.AVIF if means_avif else Format.HEIF
    raise BrokenImage(_UNSUPPORTED)


def open_lazily(kind: Format, file: BytesIO) -> ImageFile:
    """Read the header; pixels are decoded by `load()`."""
    return _PARSERS[kind](file)


def _jpeg(file: BytesIO) -> ImageFile:
    from PIL.JpegImagePlugin import JpegImageFile

    return JpegImageFile(file)


def _png(file: BytesIO) -> ImageFile:
    from PIL.PngImagePlugin import PngImageFile

    return PngImageFile(file)


def _webp(file: BytesIO) -> ImageFile:
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile(file)


def _tiff(file: BytesIO) -> ImageFile:
    from PIL.TiffImagePlugin import TiffImageFile

    return TiffImageFile(file)


def _bmp(file: BytesIO) -> ImageFile:
    from PIL.BmpImagePlugin import BmpImageFile

    return BmpImageFile(file)


def _gif(file: BytesIO) -> ImageFile:
    from PIL.GifImagePlugin import GifImageFile

    return GifImageFile(file)


def _heif(file: BytesIO) -> ImageFile:
    try:
        from pillow_heif.as_plugin import HeifImageFile  # loads libheif: only when one is met
    except ImportError as error:
        raise BrokenImage(
            "a HEIC, and the library that reads them is not installed: pip install pillow-heif"
        ) from error
    image: ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


def _avif(file: BytesIO) -> ImageFile:
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(file)


_PARSERS: MappingProxyType[Format, Callable[[BytesIO], ImageFile]] = MappingProxyType(
    {
        Format.JPEG: _jpeg,
        Format.PNG: _png,
        Format.WEBP: _webp,
        Format.TIFF: _tiff,
        Format.BMP: _bmp,
        Format.GIF: _gif,
        Format.HEIF: _heif,
        Format.AVIF: _avif,
    }
)


def ends_early(kind: Format, data: bytes) -> bool:
    """Whether a file that could not be decoded lacks its end.

    For the wording of a report only: parsers often name a missing byte by what it broke.
    """
    match kind:
        case Format.JPEG:
            return b"\xff\xd9" not in data[-1024:]
        case Format.PNG:
            return b"IEND" not in data[-1024:]
        case Format.GIF:
            return not data.rstrip(b"\0").endswith(b";")
        case Format.WEBP:
            return len(data) < 8 + int.from_bytes(data[4:8], "little")
        case Format.BMP:
            return len(data) < int.from_bytes(data[2:6], "little")
        case Format.HEIF | Format.AVIF:
            return _boxes_overrun(data)
        case Format.TIFF:
            return _tiff_overruns(data)


def _tiff_overruns(data: bytes) -> bool:
    """Does the first directory of a TIFF, which often lies at its end, or a strip pass the end?"""
    tags = Directory(data)
    if tags.overruns:
        return True
    ends = [
        starts[:n].astype(np.int64) + sizes[:n].astype(np.int64)
        for starts, sizes in ((tags.all(273), tags.all(279)), (tags.all(324), tags.all(325)))
        if (n := min(len(starts), len(sizes)))
    ]
    return any(int(end.max()) > len(data) for end in ends)


def _boxes_overrun(data: bytes) -> bool:
    """Walk the top-level boxes of an ISO media file: does the last one pass the end?"""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: to the end of the file; else nonsense
            return False
        at += size
    return at != len(data)
