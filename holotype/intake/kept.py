"""What an export says of a reference beside label and vector: it comes back as it was."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from holotype.errors import UsageError

MOST_THUMBNAIL_BYTES = 1 << 20
"""Of a thumbnail that is taken; those that are made here have at most a tenth of it."""

_SHA256 = re.compile("[0-9a-f]{64}")
_JPEG = b"\xff\xd8\xff"
_MOST_PIXELS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Kept:
    """Of one reference. Nobody can check that the vector is of this file."""

    sha256: str
    """Hex sha256 of the file's bytes; without a file, see `holotype.intake.vectors`."""
    width: int
    height: int
    """Pixels; both 0 where there is no picture."""
    added_at: str
    """ISO 8601, UTC."""
    thumbnail: bytes | None = None
    """A small JPEG."""
    dismissed: str | None = None
    """See `Reference.dismissed`."""

    @classmethod
    def of(cls, row: Mapping[str, Any], thumbnail: bytes | None) -> Kept:
        """What a row of an export says.

        Raises:
            UsageError: one of these is nothing that an export has.
        """
        sha256, added_at = row.get("sha256"), row.get("added_at")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise UsageError(f"its sha256 {sha256!r} is not 64 hexadecimal digits")
        width, height = row.get("width"), row.get("height")
        if not (_is_size(width) and _is_size(height)):
            raise UsageError(f"its size {width!r} x {height!r} is not in pixels")
        try:
            datetime.fromisoformat(str(added_at))
        except ValueError as error:
            raise UsageError(f"its added_at {added_at!r} is no time in ISO 8601") from error
        if thumbnail is not None:
            _check_thumbnail(thumbnail)
        dismissed = row.get("dismissed")
        if dismissed is not None and not isinstance(dismissed, str):
            raise UsageError(f"its mark {dismissed!r} is no text")
        return cls(sha256, width, height, str(added_at), thumbnail, dismissed)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Kept:
        """Inverse of `to_json`.

        Raises:
            UsageError: as for `of`.
        """
        encoded = row.get("thumbnail")
        try:
            thumbnail = None if encoded is None else base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(f"its thumbnail is not base64: {error}") from error
        return cls.of(row, thumbnail)

    def to_json(self) -> dict[str, Any]:
        """As the API has it; the thumbnail in base64."""
        encoded = None if self.thumbnail is None else base64.b64encode(self.thumbnail).decode()
        return {
            "sha256": self.sha256,
            "width": self.width,
            "height": self.height,
            "added_at": self.added_at,
            "thumbnail": encoded,
            "dismissed": self.dismissed,
        }


def _is_size(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MOST_PIXELS


def _check_thumbnail(thumbnail: bytes) -> None:
    if not thumbnail.startswith(_JPEG):
        raise UsageError("its thumbnail is no JPEG")
    if len(thumbnail) > MOST_THUMBNAIL_BYTES:
        raise UsageError(f"its thumbnail has {len(thumbnail)} bytes, at most 1 MiB is taken")
