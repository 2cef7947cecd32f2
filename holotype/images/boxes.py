"""How many pixels are decoded for the one picture of a HEIF or AVIF file.

Its picture may be put together of others, each of which is decoded (ISO/IEC 23008-12: grids,
overlays, identities), as often as it is referred to. libheif and libavif refuse an item whose
coded size is not the size that the file says, before they decode it; so those sizes can be summed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from holotype.errors import BrokenImage

MAX_REFERENCES = 100_000
"""Boxes, and parts that pictures are put together of, in all; the largest grid has 65,536."""

_MAX_DEPTH = 8
_FULL = 4  # bytes of version and flags before a full box's content
_Box = tuple[bytes, int, int]


@dataclass(slots=True)
class _Items:
    """What the file says about its items, by their numbers."""

    primary: int = 0
    areas: list[int] = field(default_factory=list)
    """Of the properties, in order; 0 of one that is no size."""
    area: dict[int, int] = field(default_factory=dict)
    parts: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """What it is put together of."""
    aids: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """What is decoded beside it: its transparency."""
    budget: int = MAX_REFERENCES

    def spend(self, n: int = 1) -> None:
        self.budget -= n
        if self.budget < 0:
            raise BrokenImage("too costly: it is put together of too many parts")

    def pixels(self, item: int, known: dict[int, int], depth: int = 0) -> int:
        """Decoded for this item."""
        if item not in known:
            if depth > _MAX_DEPTH:
                raise BrokenImage("too costly: pictures of pictures, more than eight deep")
            parts = self.parts.get(item)
            own = self.area.get(item, 0)
            if parts:
                own = sum(self.pixels(part, known, depth + 1) for part in parts)
            beside = sum(self.pixels(aid, known, depth + 1) for aid in self.aids.get(item, ()))
            known[item] = own + beside
        return known[item]


def decoded_pixels(data: bytes) -> int:
    """Pixels that are decoded for the primary picture; 0 where the file does not say.

    Raises:
        BrokenImage: it is put together of too many parts.
    """
    items = _Items()
    for kind, start, end in _boxes(data, 0, len(data), items):
        if kind == b"meta":
            _read_meta(data, start + _FULL, end, items)
    return items.pixels(items.primary, {})


def _boxes(data: bytes, at: int, end: int, items: _Items) -> Iterator[_Box]:
    """The boxes from `at` to `end`: kind, start and end of what is in each."""
    while at + 8 <= end:
        items.spend()
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or end - at
        if size < head:
            return
        yield data[at + 4 : at + 8], at + head, min(at + size, end)
        at += size


def _read_meta(data: bytes, at: int, end: int, items: _Items) -> None:
    for kind, start, stop in _boxes(data, at, end, items):
        if kind == b"pitm":
            items.primary = int.from_bytes(data[start + _FULL : stop], "big")
        elif kind == b"iref":
            _read_references(data, start, stop, items)
        elif kind == b"iprp":
            _read_properties(data, start, stop, items)


def _read_references(data: bytes, at: int, end: int, items: _Items) -> None:
    width = 4 if data[at : at + 1] == b"\1" else 2
    for kind, start, stop in _boxes(data, at + _FULL, end, items):
        numbers = [
            int.from_bytes(data[i : i + width], "big")
            for i in range(start + width + 2, stop - width + 1, width)
        ]
        items.spend(len(numbers))
        item = int.from_bytes(data[start : start + width], "big")
        if kind == b"dimg":
            items.parts[item] += numbers
        elif kind == b"auxl":
            for number in numbers:
                items.aids[number].append(item)


def _read_properties(data: bytes, at: int, end: int, items: _Items) -> None:
    for kind, start, stop in _boxes(data, at, end, items):
        if kind == b"ipco":
            items.areas += [
                _area(data, s) if k == b"ispe" else 0
                for k, s, _ in _boxes(data, start, stop, items)
            ]
        elif kind == b"ipma":
            _read_associations(data, start, stop, items)


def _area(data: bytes, at: int) -> int:
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (at + 4, at + 8))
    return width * height


def _read_associations(data: bytes, at: int, end: int, items: _Items) -> None:
    wide_ids, wide = data[at : at + 1] != b"\0", data[at + 3 : at + 4] == b"\1"
    step = 2 if wide else 1
    at += 8
    while at < end:
        items.spend()
        stop = at + (4 if wide_ids else 2)
        item = int.from_bytes(data[at:stop], "big")
        count = int.from_bytes(data[stop : stop + 1], "big")
        for i in range(stop + 1, stop + 1 + step * count, step):
            index = int.from_bytes(data[i : i + step], "big") & (0x7FFF if wide else 0x7F)
            if 0 < index <= len(items.areas):
                items.area[item] = max(items.area.get(item, 0), items.areas[index - 1])
        at = stop + 1 + step * count
