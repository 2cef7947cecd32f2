"""A file's structure, read before any pixel: what a parser must see, and what it will cost.

Pillow's plugins read all of a file's metadata, in Python, and some of it again and again: a
comment of 60 MB keeps one of them busy for minutes, a damaged colour profile makes another refuse
sound pixels. So a file is walked through here first. What a parser gets is the picture alone:

- JPEG: tables, frame, scans, and the two application segments that say which colours they are.
- PNG: size, palette, transparency, pixels. GIF: the screen, and the first picture with its
  transparency. WebP, TIFF and BMP as they are: their readers skip what they do not use.
- Orientation is read here, see `holotype.images.tags`.

The walk costs next to nothing for an ordinary file, copies nothing where nothing is left out,
never raises on damage, and is itself bounded: a file of more than `MAX_PARTS` segments, chunks or
blocks is refused.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from holotype.errors import BrokenImage
from holotype.images.boxes import decoded_pixels
from holotype.images.formats import Format
from holotype.images.tags import Directory, orientation

MAX_PARTS = 200_000
"""Segments, chunks or blocks of one file. A 1 GiB PNG in libpng's chunks of 8 KiB has 131,000."""

_MAX_XMP = 2**22  # bytes unpacked: orientation stands in the first packet
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_COMPRESSION = 259
_JPEG_IN_TIFF = frozenset({6, 7})
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})*")
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
_SCAN = 0xDA
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({b"\xc2", b"\xca"})
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


@dataclass(frozen=True, slots=True)
class Container:
    """What the structure of a file says."""

    data: bytes
    """The file as a parser gets it."""
    orientation: int = 1
    """1 to 8, as EXIF counts; of formats whose readers do not turn the picture themselves."""
    size: tuple[int, int] | None = None
    """Width and height, where a parser would reserve memory before it tells them."""
    scans: int = 1
    """How often a decoder goes over all pixels."""
    samples: float = 0.0
    """Values a pixel, of 2 bytes each, that a decoder keeps until the last scan."""
    deep: bool = False
    """A PNG of 16 bits a sample."""
    unended: int | None = None
    """Where the first scan starts of a JPEG that has no end marker."""
    decoded: int = 0
    """Pixels of all pictures that this one is put together of; 0: it is one."""
    tags: Directory | None = None
    """Of a TIFF."""


def examine(kind: Format, data: bytes) -> Container:
    """Walk through a file.

    Raises:
        BrokenImage: it is in too many parts.
    """
    match kind:
        case Format.JPEG:
            return _jpeg(data)
        case Format.PNG:
            return _png(data)
        case Format.GIF:
            return _gif(data)
        case Format.WEBP:
            return _webp(data)
        case Format.TIFF:
            return _tiff(data)
        case Format.HEIF | Format.AVIF:
            return Container(_without_exif(data), decoded=decoded_pixels(data))
        case _:
            return Container(data)


def _too_many(parts: int) -> None:
    if parts > MAX_PARTS:
        raise BrokenImage(f"too costly: it is in more than {MAX_PARTS:,} parts")


def _joined(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """These parts of a file, or the file itself where they are all of it."""
    if sum(end - start for start, end in spans) == len(data):
        return data
    view = memoryview(data)
    return b"".join(view[start:end] for start, end in spans)


def _jpeg(data: bytes) -> Container:
    spans = [(0, 2)]
    exif = xmp = frame = b""
    at, parts = 2, 0
    while found := _MARKER.search(data, at):
        start, kind = found.start(), data[found.start() + 1]
        at = start + 2
        if kind in _NO_LENGTH:
            continue
        parts += 1
        _too_many(parts)
        at += max(2, int.from_bytes(data[at : at + 2], "big"))
        body = data[start + 4 : min(at, start + 64)]
        if kind == _SCAN:
            spans.append((start, len(data)))
            break
        if kind == 0xE1 and body.startswith(b"Exif\0"):
            exif = exif or data[start + 4 : at]
        elif kind == 0xE1 and body.startswith(_XMP):
            xmp = xmp or data[start + 4 : at]
        elif kind in _TABLES or kind in _FRAMES or _says_colour(kind, body):
            spans.append((start, min(at, len(data))))
            frame = data[start + 1 : at] if kind in _FRAMES else frame
    else:
        return Container(_joined(data, spans))  # no scan: the parser says what is missing
    scans = _count_scans(data, start, frame)
    lean = _joined(data, spans)
    has_end = data.rfind(b"\xff\xd9") > start
    return Container(
        lean,
        orientation=orientation(exif, xmp),
        scans=scans if has_end else 3 * scans,  # twice more to see whether it is whole
        samples=_samples(frame) if scans > 1 else 0.0,
        unended=None if has_end else len(lean) - len(data) + start,
    )


def _says_colour(kind: int, body: bytes) -> bool:
    return (kind == 0xE0 and body.startswith(b"JFIF\0")) or (
        kind == 0xEE and body.startswith(b"Adobe")
    )


def _count_scans(data: bytes, at: int, frame: bytes) -> int:
    """Scans from the first one, at `at`, to the end marker.

    Only a file that needs several is walked through: a decoder reads no second one after a scan
    that holds all components of a frame that is not progressive.
    """
    if frame[:1] not in _PROGRESSIVE and data[at + 4 : at + 5] == frame[8:9]:
        return 1
    return sum(1 for _ in scan_starts(data, at))


def scan_starts(data: bytes, at: int) -> Iterator[int]:
    """Where the scans of a JPEG start, from the first one, at `at`, to the end marker.

    Raises:
        BrokenImage: too many segments.
    """
    parts = 0
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in {b"\xd9", b""}:
        parts += 1
        _too_many(parts)
        is_scan = data[at + 1] == _SCAN
        if is_scan:
            yield at
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        found = (_SCAN_END if is_scan else _MARKER).search(data, at)
        if found is None:
            break
        at = found.start()


def _samples(frame: bytes) -> float:
    """Values a pixel: 3 for three components of full size, 1.5 where two have half the sides."""
    blocks = [(sampling >> 4) * (sampling & 15) for sampling in frame[10::3]]
    return sum(blocks) / max(1, *blocks, 1)


def _png(data: bytes) -> Container:
    spans = [(0, 8)]
    exif = xmp = b""
    at, parts = 8, 0
    while at + 8 <= len(data):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        parts += 1
        _too_many(parts)
        if kind in _PNG_PIXELS:
            spans.append((at, min(end, len(data))))
        elif kind == b"eXIf":
            exif = data[at + 8 : end - 4]
        elif kind in _PNG_TEXT:
            name, _, text = data[at + 8 : end - 4].partition(b"\0")
            if name == b"XML:com.adobe.xmp":
                xmp = _text(kind, text)
            elif name == b"Raw profile type exif":  # as ImageMagick keeps it
                exif = exif or _hex_lines(_text(kind, text))
        at = end
        if kind == b"IEND":
            break
    return Container(
        _joined(data, spans), orientation=orientation(exif, xmp), deep=data[24:25] == b"\x10"
    )


def _text(kind: bytes, text: bytes) -> bytes:
    """The text of a PNG's text chunk after its name; b"" where it cannot be unpacked."""
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif packed:
        text = text[1:]
    if not packed:
        return text[:_MAX_XMP]
    try:
        return zlib.decompressobj().decompress(text, _MAX_XMP)
    except zlib.error:
        return b""


def _hex_lines(text: bytes) -> bytes:
    """What ImageMagick wrote as lines of hex digits below three of heading."""
    digits = b"".join(text.split(b"\n")[3:])
    return bytes.fromhex(digits.decode("ascii")) if _HEX.fullmatch(digits) else b""


def _gif(data: bytes) -> Container:
    at = 13 + _gif_colours(data, 10)
    spans = [(0, at)]
    control: list[tuple[int, int]] = []
    parts = 0
    while at < len(data) and data[at : at + 1] != b";":
        parts += 1
        _too_many(parts)
        start = at
        is_picture = data[at : at + 1] == b","
        if not is_picture and data[at : at + 1] != b"!":
            at += 1  # junk between blocks, which readers skip
            continue
        at += 11 + _gif_colours(data, at + 9) if is_picture else 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
            parts += 1
            _too_many(parts)
        at += 1
        if is_picture:
            spans += [*control, (start, min(at, len(data)))]
            ended = at <= len(data)
            return Container(_joined(data, spans) + (b";" if ended else b""))
        if data[start + 1 : start + 2] == b"\xf9":  # graphic control: transparency
            control = [(start, at)]
    return Container(data[:at])


def _gif_colours(data: bytes, at: int) -> int:
    """Bytes of the colour table that the flags at `at` announce."""
    flags = data[at] if at < len(data) else 0
    return 3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0


def _tiff(data: bytes) -> Container:
    tags = Directory(data)
    scans = 1
    if tags.first(_COMPRESSION, 1) in _JPEG_IN_TIFF:
        starts, sizes = (tags.all(a if a in tags else b) for a, b in ((273, 324), (279, 325)))
        _too_many(len(starts))
        pieces = [(int(at), int(at) + int(n)) for at, n in zip(starts, sizes, strict=False)]
        if sum(end - at for at, end in pieces) > 2 * len(data):
            raise BrokenImage("too costly: its strips or tiles lie on top of each other")
        marks = sum(data.count(b"\xff\xda", at, end) for at, end in pieces)
        scans = -(-marks // max(1, len(pieces)))
    return Container(data, scans=max(1, scans), tags=tags)


def _without_exif(data: bytes) -> bytes:
    """The same boxes with the EXIF item under a name that no parser knows.

    Which side is up stands in boxes of their own; a damaged EXIF block makes parsers refuse
    sound pixels.
    """
    start = data.find(b"meta")
    end = start + int.from_bytes(data[max(0, start - 4) : max(0, start)], "big")
    meta = data[:end]
    return meta.replace(b"Exif", b"skip") + data[end:] if b"Exif" in meta else data


def _webp(data: bytes) -> Container:
    exif = xmp = b""
    size = None
    at, parts = 12, 0
    while at + 8 <= len(data):
        kind = data[at : at + 4]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + min(length, 10)]
        parts += 1
        _too_many(parts)
        size = size or _webp_size(kind, body)
        if kind == b"EXIF":
            exif = data[at + 8 : at + 8 + length]
        elif kind == b"XMP ":
            xmp = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return Container(data, orientation=orientation(exif, xmp), size=size)


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Of the canvas, or of the one picture (RFC 9649, sections 2.5, 2.6 and 2.7)."""
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8 ":
        width, height = (int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None
