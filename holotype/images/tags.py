"""The tags of a TIFF directory, read forgivingly: of TIFF files, and of EXIF in other formats.

Whole numbers only, and only of the first directory: what decides how pixels are read or which
side is up. Nothing here raises on damaged bytes; what cannot be read is not there.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.integer[Any]]
Order = Literal["little", "big"]

ORIENTATION = 274

_DTYPES = MappingProxyType(
    # By the number of a field's type (TIFF 6.0, section 2; BigTIFF for 13, 16, 17, 18).
    {1: "u1", 2: "u1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4"}
    | {13: "u4", 16: "u8", 17: "i8", 18: "u8"}
)
_SIZES = MappingProxyType(
    {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
    | {16: 8, 17: 8, 18: 8}
)
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")
_MAX_FIELDS = 65_535


class Directory(dict[int, Values]):
    """Tags to their values."""

    big_and_big_endian: bool = False
    """A BigTIFF with the highest byte first, which some parsers take for something else."""
    overruns: bool = False
    """It passes the end of the file."""
    declared: int = 0
    """Bytes that all fields together claim, of whatever type: a parser may copy them all."""

    def all(self, tag: int) -> Values:
        """The values of a tag; none where it is not there."""
        return self.get(tag, np.zeros(0, np.uint32))

    def first(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        values = self.all(tag)
        return int(values[0]) if len(values) else default


def first_directory(data: bytes) -> Directory:
    """The first directory of a TIFF, classic or BigTIFF, in either byte order."""
    found = Directory()
    order: Order = "little" if data[:2] == b"II" else "big"
    sign = "<" if order == "little" else ">"
    big = int.from_bytes(data[2:4], order) == 43
    found.big_and_big_endian = big and order == "big"
    word = 8 if big else 4
    head = 8 if big else 2
    start = int.from_bytes(data[8:16] if big else data[4:8], order)
    fields = min(int.from_bytes(data[start : start + head], order), _MAX_FIELDS)
    each = 4 + 2 * word
    found.overruns = len(data) < start + head + each * fields + word
    for at in range(start + head, start + head + each * fields, each):
        entry = data[at : at + each]
        if len(entry) < each:
            break
        tag, type_ = int.from_bytes(entry[:2], order), int.from_bytes(entry[2:4], order)
        count = int.from_bytes(entry[4 : 4 + word], order)
        size = _SIZES.get(type_, 0) * count
        found.declared += size
        where = int.from_bytes(entry[4 + word :], order) if size > word else at + 4 + word
        if type_ in _DTYPES and where + size <= len(data):
            found[tag] = np.frombuffer(data, sign + _DTYPES[type_], count, where)
    return found


def orientation(exif: bytes, xmp: bytes) -> int:
    """Which way is up, 1 to 8 as EXIF counts: by the EXIF block, else by the XMP; else 1."""
    block = exif.removeprefix(b"Exif\0\0")
    if block[:4] in {b"II*\0", b"MM\0*"}:
        said = first_directory(block).first(ORIENTATION, 0)
        if said:
            return said if said <= 8 else 1
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else 1
