"""JPEG files without an end marker: whole all the same, or cut off?

Some cameras leave the marker out. A decoder that is given one in its place fills whatever is
missing with grey, so it cannot tell the two apart; but if the last block was there, then what
stands between it and the marker is skipped, and does not change it.
"""

from __future__ import annotations

import hashlib
from io import BytesIO

from holotype.images.container import scan_starts

_END = b"\xff\xd9"
_FILLER = bytes(range(1, 201))
"""No marker, and no code that leaves a block as it was."""
_BAND_ROWS = 64


def with_end(data: bytes, scan: int, at_least: int | None) -> bytes | None:
    """The file with an end marker, if nothing but that is missing.

    Args:
        data: a JPEG without an end marker.
        scan: where its first scan starts.
        at_least: as for `decode`: what is looked at is what will be shown.

    Raises:
        Errors of Pillow's parser.
    """
    data = _without_padding(data)
    if not _is_refined(data, scan):
        return None
    ended = data + _END
    other = data + _FILLER + _END
    return ended if _digest(ended, at_least) == _digest(other, at_least) else None


def _without_padding(data: bytes) -> bytes:
    """Without what was added to a file that was cut: padding would pass for blocks of grey."""
    short = data.rstrip(b"\0")
    return (short + bytes(min(3, len(data) - len(short)))).rstrip(b"\xff")


def _is_refined(data: bytes, scan: int) -> bool:
    """Whether the scans that are there bring every coefficient to its last bit."""
    missing: dict[int, set[int]] = {}
    for at in scan_starts(data, scan):
        count = data[at + 4]
        ids = data[at + 5 : at + 5 + 2 * count : 2]
        first, last, approximation = data[at + 5 + 2 * count : at + 8 + 2 * count].ljust(3, b"\xff")
        for id_ in ids:
            left = missing.setdefault(id_, set(range(64)))
            if not approximation & 15:
                left -= set(range(first, last + 1))
    return bool(missing) and not any(missing.values())


def _digest(data: bytes, at_least: int | None) -> bytes:
    """Of the pixels."""
    from PIL.JpegImagePlugin import JpegImageFile

    digest = hashlib.sha256()
    with JpegImageFile(BytesIO(data)) as image:
        if at_least is not None:
            image.draft(None, (at_least, at_least))
        image.load()
        width, height = image.size
        for top in range(0, height, _BAND_ROWS):
            band = image.crop((0, top, width, min(top + _BAND_ROWS, height)))
            digest.update(band.tobytes())
    return digest.digest()
