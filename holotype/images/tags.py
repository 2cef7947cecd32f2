"""The tags of a TIFF directory, read forgivingly: of TIFF files, and of EXIF in other formats.

Whole numbers only, and only of the first directory: what decides how pixels are read or which
side is up. Nothing here raises on damaged bytes; what cannot be read is not there.
"""

from __future__ import annotations

import re
import struct
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.integer[Any]]
Order = Literal["little", "big"]

ORIENTATION = 274

_TYPES = MappingProxyType(
    # By the number of a field's type (TIFF 6.0, section 2; BigTIFF for 13, 16, 17, 18): of whole
    # numbers what numpy calls it, of all their bytes.
    {1: ("u1", 1), 2: ("u1", 1), 3: ("u2", 2), 4: ("u4", 4), 5: ("", 8), 6: ("i1", 1)}
    | {7: ("u1", 1), 8: ("i2", 2), 9: ("i4", 4), 10: ("", 8), 11: ("", 4), 12: ("", 8)}
    | {13: ("u4", 4), 16: ("u8", 8), 17: ("i8", 8), 18: ("u8", 8)}
)
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")
_MAX_FIELDS = 65_535
_NONE = np.zeros(0, np.uint32)
_NONE.flags.writeable = False


class Directory:
    """Tags and their values, which are looked up when they are asked for."""

    def __init__(self, data: bytes) -> None:
        """Read the directory of a TIFF, without the values that do not stand in it."""
        self._data = data
        self._fields: dict[int, tuple[str, int, int]] = {}
        self.declared = 0
        """Bytes that all fields together claim, of whatever type: a parser may copy them all."""
        little = data[:2] == b"II"
        order: Order = "little" if little else "big"
        sign = "<" if little else ">"
        big = int.from_bytes(data[2:4], order) == 43
        self.big_and_big_endian = big and not little
        """A BigTIFF with the highest byte first, which some parsers take for something else."""
        word, head, entry = (8, 8, "HHQ8s") if big else (4, 2, "HHI4s")
        start = int.from_bytes(data[8:16] if big else data[4:8], order)
        number = min(int.from_bytes(data[start : start + head], order), _MAX_FIELDS)
        each = 4 + 2 * word
        at, end = start + head, start + head + each * number
        self.overruns = len(data) < end + word
        """It passes the end of the file."""
        block = data[at:end]
        block = block[: len(block) - len(block) % each]
        for tag, type_, count, value in struct.iter_unpack(sign + entry, block):
            dtype, size = _TYPES.get(type_, ("", 0))
            size *= count
            self.declared += size
            where = at + 4 + word if size <= word else int.from_bytes(value, order)
            if dtype and where + size <= len(data):
                self._fields[tag] = (sign + dtype, count, where)
            at += each

    def __contains__(self, tag: int) -> bool:
        return tag in self._fields

    def all(self, tag: int) -> Values:
        """The values of a tag; none where it is not there."""
        dtype, count, where = self._fields.get(tag, ("u1", 0, 0))
        return np.frombuffer(self._data, dtype, count, where) if count else _NONE

    def first(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        values = self.all(tag) if tag in self._fields else _NONE
        return int(values[0]) if len(values) else default


def orientation(exif: bytes, xmp: bytes) -> int:
    """Which way is up, 1 to 8 as EXIF counts: by the EXIF block, else by the XMP; else 1."""
    block = exif.removeprefix(b"Exif\0\0")
    if block[:4] in {b"II*\0", b"MM\0*"}:
        said = Directory(block).first(ORIENTATION, 0)
        if said:
            return said if said <= 8 else 1
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else 1
