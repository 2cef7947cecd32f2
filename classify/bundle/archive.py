"""The file of a bundle: a zip that Python runs, with a checksum of everything that is in it.

    __main__.py                what Python runs: `classify.bundle.start`
    holotype/ classify/ head/  modules of this project, as they are (`classify.bundle.sources`)
    bundle.json                what the bundle is, and the sha256 of every other member
    encoder.onnx               pixels to vectors
    arrays/*.npy               numbers, never pickled
    references/ golden/        small pictures
    LICENSE  NOTICE.txt

Members of data are checked as they are read. Whoever can change the file can change its checksums
too: they tell damage, not malice. A bundle is a program, and as trustworthy as who made it.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from holotype.errors import BundleError

FORMAT: Final = 1
"""Raised when an older reader could not make sense of what is written."""

ABOUT: Final = "bundle.json"

PREFIX: Final = (
    b"#!/usr/bin/env python3\n# coding: this-bundle-is-damaged.copy-it-again-or-make-it-anew\n"
)
"""Before the zip, whose end says where it begins. The first line lets a shell run the file. The
second is read only where the end is missing: Python then takes the file for a script, and all that
it says is that it knows no such encoding."""

_ALREADY_SMALL: Final = (".onnx", ".jpg")

_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError, OSError)
"""What reading a zip raises that is not what it was."""


class BundleWriter:
    """Writes a bundle; leaving it as a context ends it with `bundle.json`."""

    def __init__(self, path: Path) -> None:
        """Begin a file, in place of any that is there."""
        self._path = path
        self._checksums: dict[str, str] = {}
        self.about: dict[str, Any] = {}
        """What `bundle.json` is to say, besides the format and the checksums."""

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        self._file.write(PREFIX)
        self._zip = zipfile.ZipFile(self._file, "w")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        with self._file, self._zip:
            if kind is None:
                about = {"format": FORMAT, **self.about, "checksums": self._checksums}
                self._write(ABOUT, json.dumps(about, indent=1).encode())
        mode = self._path.stat().st_mode
        self._path.chmod(mode | (mode & 0o444) >> 2)  # who may read it may run it

    def add(self, name: str, data: bytes) -> None:
        """A member."""
        self._checksums[name] = hashlib.sha256(data).hexdigest()
        self._write(name, data)

    def add_array(self, name: str, array: np.typing.NDArray[Any]) -> None:
        """`arrays/NAME.npy`."""
        file = BytesIO()
        np.save(file, array, allow_pickle=False)
        self.add(_array(name), file.getvalue())

    def _write(self, name: str, data: bytes) -> None:
        # The same bytes whenever it is made: no time of day, no rights of a file.
        member = zipfile.ZipInfo(name)
        small = name.endswith(_ALREADY_SMALL)
        member.compress_type = zipfile.ZIP_STORED if small else zipfile.ZIP_DEFLATED
        member.external_attr = 0o644 << 16
        self._zip.writestr(member, data)


class BundleReader:
    """Reads a bundle, and refuses what is not what was written. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            BundleError: it is no bundle, is not whole, or is of a newer format.
        """
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self.identity = hashlib.sha256(self._zip.read(ABOUT)).hexdigest()
            """Differs where anything in the bundle does."""
            self.about: Mapping[str, Any] = json.loads(self._zip.read(ABOUT))
            self._checksums: Mapping[str, str] = self.about["checksums"]
            written: int = self.about["format"]
        except FileNotFoundError:
            raise BundleError(f"there is no bundle {path}") from None
        except _DAMAGE as error:
            raise self._damaged(error) from error
        if written > FORMAT:
            raise BundleError(
                f"bundle {path} is of format {written}, and this version reads {FORMAT}: run the "
                "bundle itself (`python FILE`), or read it with a newer Holotype"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """A member.

        Raises:
            BundleError: it is not what was written.
        """
        try:
            data = self._zip.read(name)
            expected = self._checksums[name]
        except _DAMAGE as error:
            raise self._damaged(error) from error
        if hashlib.sha256(data).hexdigest() != expected:
            raise self._damaged(f"{name} was changed")
        return data

    def array(self, name: str) -> np.typing.NDArray[Any]:
        """`arrays/NAME.npy`.

        Raises:
            BundleError: it is not what was written.
        """
        try:
            found: np.typing.NDArray[Any] = np.load(
                BytesIO(self.read(_array(name))), allow_pickle=False
            )
        except _DAMAGE as error:
            raise self._damaged(error) from error
        return found

    def holds(self, name: str) -> bool:
        """Whether there is such an array."""
        return _array(name) in self._checksums

    def _damaged(self, why: object) -> BundleError:
        return BundleError(
            f"{self.path} is no whole bundle ({why}): copy it again, or make it anew with "
            "`classify bundle`"
        )


def sizes(path: Path) -> dict[str, int]:
    """Bytes in the file of each kind of member, by its folder or name."""
    with zipfile.ZipFile(path) as archive:
        found: dict[str, int] = {}
        for member in archive.infolist():
            kind = member.filename.partition(os.sep)[0]
            found[kind] = found.get(kind, 0) + member.compress_size
    return found


def _array(name: str) -> str:
    return f"arrays/{name}.npy"
