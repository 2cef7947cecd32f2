"""Ten ways in which a file with a picture's name is not a usable picture."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.image_files import picture


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to unpack to very many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b""))
    )


def _damaged_png(n: int) -> bytes:
    data = bytearray(picture(n, side=64))
    middle = data.index(b"IDAT") + 200
    data[middle : middle + 40] = bytes(40)
    return bytes(data)


Make = Callable[[Path, int], object]

BAD: dict[str, tuple[Make, str]] = {
    "empty.jpg": (lambda file, _n: file.write_bytes(b""), "empty file"),
    "text.jpg": (lambda file, n: file.write_text(f"not {n}"), "not a picture in a supported"),
    "pdf.png": (lambda file, n: file.write_bytes(b"%%PDF-1.7 %d" % n), "not a picture in a"),
    "cut.jpg": (
        lambda file, n: file.write_bytes(picture(n, side=64, kind="JPEG")[:-300]),
        "truncated JPEG: the file ends before",
    ),
    "cut.png": (lambda file, n: file.write_bytes(picture(n)[:-40]), "truncated PNG"),
    "cut.webp": (
        lambda file, n: file.write_bytes(picture(n, side=64, kind="WEBP")[:-60]),
        "truncated WebP",
    ),
    "damaged.png": (lambda file, n: file.write_bytes(_damaged_png(n)), "damaged PNG"),
    "bomb.png": (
        lambda file, n: file.write_bytes(_bomb(60_000, 50_000 + n)),
        "too costly: 60000 x 5",
    ),
    "link.png": (lambda file, _n: file.symlink_to("nowhere"), "a link to nothing"),
    "pipe.png": (lambda file, _n: os.mkfifo(file), "a pipe, socket or device"),
}
"""File name -> how to make it (from a number, so that two of a kind differ), and its reason."""
