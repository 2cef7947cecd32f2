"""A TIFF of any layout around given numbers, written plainly, byte by byte."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

Samples = npt.NDArray[Any]

COMPRESSIONS = {1: "raw", 5: "tiff_lzw", 8: "", 32773: "packbits", 34925: "lzma", 50000: "zstd"}


@dataclass(frozen=True)
class Written:
    """How a TIFF is written."""

    bits: int = 8
    kind: str = "u"
    photometric: int = 1
    big_endian: bool = False
    big_tiff: bool = False
    planar: bool = False
    tile: tuple[int, int] | None = None
    """Width and height."""
    strip_rows: int | None = None
    compression: int = 1
    predictor: int = 1
    reversed_bits: bool = False
    extra: tuple[int, ...] | None = None
    more: dict[int, tuple[int, list[int]]] = field(default_factory=dict)
    """Other tags: type and values."""


def tiff_of(values: Samples, how: Written) -> bytes:
    """(H, W, S) numbers as a TIFF; signed ones may be negative."""
    height, width, samples = values.shape
    planes = [values[..., i : i + 1] for i in range(samples)] if how.planar else [values]
    tw, th = how.tile or (width, how.strip_rows or height)
    pieces = [
        _piece(plane[top : top + th, left : left + tw], (tw, th), how)
        for plane in planes
        for top in range(0, height, th)
        for left in range(0, width, tw)
    ]
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [how.bits] * samples),
        259: (3, [how.compression]),
        262: (3, [how.photometric]),
        277: (3, [samples]),
        284: (3, [2 if how.planar else 1]),
        339: (3, [{"u": 1, "i": 2, "f": 3}[how.kind]] * samples),
    }
    if how.predictor != 1:
        tags[317] = (3, [how.predictor])
    if how.reversed_bits:
        tags[266] = (3, [2])
        pieces = [piece.translate(REVERSED) for piece in pieces]
    if how.extra is not None:
        tags[338] = (3, list(how.extra))
    if how.tile:
        tags |= {322: (3, [tw]), 323: (3, [th])}
    else:
        tags[278] = (4, [th])
    return _file(tags | how.more, pieces, how)


REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _piece(part: Samples, size: tuple[int, int], how: Written) -> bytes:
    width, height = size
    if how.tile:
        part = np.pad(part, [(0, height - part.shape[0]), (0, width - part.shape[1]), (0, 0)])
    rows = [_row(row, how) for row in part]
    return _compressed(rows, how.compression)


def _row(row: Samples, how: Written) -> bytes:
    """(W, S) numbers of one row as bytes."""
    order = ">" if how.big_endian else "<"
    if how.kind == "f":
        numbers = row.astype(f"f{how.bits // 8}").view(f"u{how.bits // 8}")
        if how.predictor == 3:
            return _shuffled(numbers, row.shape[1])
    else:
        numbers = (row.astype(object) & (2**how.bits - 1)).astype(np.uint64)
    if how.predictor == 2:
        numbers = numbers.astype(f"u{how.bits // 8}")
        numbers = np.diff(numbers, axis=0, prepend=np.zeros_like(numbers[:1]))
    if how.bits in {8, 16, 32, 64}:
        return numbers.astype(f"{order}u{how.bits // 8}").tobytes()
    if how.bits == 24:
        name = "big" if how.big_endian else "little"
        return b"".join(int(value).to_bytes(3, name) for value in numbers.ravel())
    text = "".join(f"{int(value):0{how.bits}b}" for value in numbers.ravel())
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _shuffled(numbers: Samples, samples: int) -> bytes:
    size = numbers.dtype.itemsize
    parts = numbers.astype(f">u{size}").tobytes()
    planes = np.frombuffer(parts, np.uint8).reshape(-1, size).T.reshape(-1, samples)
    return np.diff(planes, axis=0, prepend=np.zeros_like(planes[:1])).tobytes()


def _compressed(rows: list[bytes], compression: int) -> bytes:
    if compression in {1, 8}:
        return b"".join(rows) if compression == 1 else zlib.compress(b"".join(rows))
    image = Image.frombytes("L", (len(rows[0]), len(rows)), b"".join(rows))
    file = BytesIO()
    image.save(file, "TIFF", compression=COMPRESSIONS[compression], strip_size=2**30)
    file.seek(0)
    with TiffImagePlugin.TiffImageFile(file) as written:
        starts, sizes = written.tag_v2[273], written.tag_v2[279]
    assert len(starts) == 1
    return file.getvalue()[starts[0] : starts[0] + sizes[0]]


def _file(tags: dict[int, tuple[int, list[int]]], pieces: list[bytes], how: Written) -> bytes:
    order = ">" if how.big_endian else "<"
    word, count, head = ("Q", "Q", 16) if how.big_tiff else ("I", "H", 8)
    starts, sizes = (324, 325) if how.tile else (273, 279)
    kind = 16 if how.big_tiff else 4
    tags = tags | {starts: (kind, [0] * len(pieces)), sizes: (kind, [len(p) for p in pieces])}
    entry = 20 if how.big_tiff else 12
    after = head + struct.calcsize(f"={count}") + entry * len(tags) + struct.calcsize(f"={word}")
    packed = {tag: _values(order, *of) for tag, of in tags.items()}
    room = sum(len(raw) for raw in packed.values() if len(raw) > struct.calcsize(word))
    at, offsets = after + room, []
    for piece in pieces:
        offsets.append(at)
        at += len(piece)
    packed[starts] = _values(order, kind, offsets)
    out = b"MM" if how.big_endian else b"II"
    out += (
        struct.pack(f"{order}HHHQ", 43, 8, 0, 16)
        if how.big_tiff
        else struct.pack(f"{order}HI", 42, 8)
    )
    out += struct.pack(order + count, len(tags))
    rest = b""
    for tag, (type_, values) in sorted(tags.items()):
        raw = packed[tag]
        out += struct.pack(f"{order}HH{word}", tag, type_, len(values))
        if len(raw) > struct.calcsize(word):
            out += struct.pack(order + word, after + len(rest))
            rest += raw
        else:
            out += raw.ljust(struct.calcsize(word), b"\0")
    return out + struct.pack(order + word, 0) + rest + b"".join(pieces)


def _values(order: str, kind: int, values: list[int]) -> bytes:
    return struct.pack(f"{order}{len(values)}{ {1: 'B', 3: 'H', 4: 'I', 16: 'Q'}[kind] }", *values)
