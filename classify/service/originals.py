"""The files of references, at full size, where the service may read them.

A source is what `ingest add` was given: whoever adds chooses it. So it is read only inside the
folders that the service was told, links followed, and shown only if it still is, byte for byte, the
picture that the reference was made of: nothing is shown that was not added.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holotype.errors import BrokenImage, NotFound
from holotype.images.formats import sniff
from holotype.references import Reference

MAX_BYTES: Final = 256 << 20
"""Of a file that is read."""


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it is."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Originals:
    """Reads files inside some folders; none without a folder."""

    roots: tuple[Path, ...]

    @classmethod
    def parse(cls, text: str | None) -> Originals:
        """From the setting `originals`."""
        names = [] if text is None else [name for name in text.split(os.pathsep) if name.strip()]
        return cls(tuple(Path(name.strip()).expanduser() for name in names))

    def read(self, reference: Reference) -> Original:
        """The file of a reference; a source that is no whole path is looked for in each folder.

        Raises:
            NotFound: it may not be read, is not there, or is another picture by now.
        """
        for path in self._paths(reference.source):
            data = _bytes_of(path)
            if data is not None and hashlib.sha256(data).hexdigest() == reference.sha256:
                return Original(data, _media_type(data))
        raise NotFound(
            f"the file of reference {reference.id} cannot be shown: it is not in a folder of "
            "HOLOTYPE_ORIGINALS, or it was changed since it was added"
        )

    def _paths(self, source: str) -> Iterator[Path]:
        for root in self.roots:
            try:
                folder, path = root.resolve(), (root / source).resolve()
            except (OSError, ValueError, RuntimeError):
                continue  # a link to itself, a zero byte, a name that is too long
            if path.is_relative_to(folder):
                yield path


def _bytes_of(path: Path) -> bytes | None:
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _media_type(data: bytes) -> str:
    try:
        return f"image/{sniff(data).lower()}"
    except BrokenImage:
        return "application/octet-stream"  # it was read once, by other rules
