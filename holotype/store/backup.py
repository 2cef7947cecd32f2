"""The file of a backup: a tar archive, the same outside for both engines.

Its members, in this order:

    backup.json     what it is of: format, engine, gallery, fingerprint, time
    ...             the engine's files, each without the zeros at its end
    files.json      of each of them: its whole size, and the sha256 of what the archive holds

It is written and read in one pass, so it may be a pipe. A file that ends early, or whose
bytes have changed, is refused as a whole before anything is put in its place.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from holotype.errors import StoreError
from holotype.fingerprint import Fingerprint

FORMAT: Final = 1
ABOUT, FILES = "backup.json", "files.json"
EMBEDDED, SERVER = "embedded", "server"
"""Engines."""

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class About:
    """What a backup is of."""

    engine: str
    gallery: str
    fingerprint: Fingerprint
    more: Mapping[str, Any]
    """What the engine wants to know again."""


class BackupWriter:
    """Adds files to a backup, one after another; made by `writing`."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, data: BinaryIO, *, stored: int, size: int | None = None) -> None:
        """Add one file.

        Args:
            name: a relative path with slashes.
            data: where its bytes are read from.
            stored: how many there are.
            size: how long the file is, filled up with zeros; None: as long as its bytes.

        Raises:
            StoreError: `data` ended early.
        """
        hashed = _Hashed(data)
        header = tarfile.TarInfo(name)
        header.size = stored
        try:
            self._archive.addfile(header, hashed)
        except OSError as error:
            if hashed.read_bytes < stored and "unexpected end" in str(error):
                raise StoreError(f"{name} became shorter while it was backed up") from error
            raise
        whole = stored if size is None else size
        self._files[name] = {"size": whole, "sha256": hashed.digest()}

    def finish(self) -> None:
        """Write what a reader checks the files by."""
        _add_json(self._archive, FILES, self._files)


@contextmanager
def writing(file: BinaryIO, about: About) -> Iterator[BackupWriter]:
    """A backup that is complete when this is left without an error."""
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        made = datetime.now(UTC).isoformat(timespec="seconds")
        said = {
            "format": FORMAT,
            "engine": about.engine,
            "gallery": about.gallery,
            "fingerprint": about.fingerprint.to_dict(),
            "made_at": made,
            "more": dict(about.more),
        }
        _add_json(archive, ABOUT, said)
        writer = BackupWriter(archive)
        yield writer
        writer.finish()


def extract(file: BinaryIO, folder: Path, *, engine: str) -> About:
    """Unpack a backup into an empty folder, and check every byte of it.

    Args:
        file: what `writing` wrote.
        folder: exists; gets the engine's files under their names.
        engine: what it must have been made from.

    Raises:
        StoreError: it is no backup, damaged, incomplete, or of another engine.
        OSError: the folder cannot be written to.
    """
    try:
        archive = tarfile.open(fileobj=file, mode="r|")  # noqa: SIM115  closed below
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(f"it is no backup of Holotype ({error})") from error
    with archive:
        try:
            return _extract(archive, folder, engine=engine)
        except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
            raise _damaged(str(error) or type(error).__name__) from error


def _extract(archive: tarfile.TarFile, folder: Path, *, engine: str) -> About:
    members = iter(archive)
    about = _about(archive, next(members, None), engine=engine)
    found: dict[str, str] = {}
    for member in members:
        data = archive.extractfile(member)
        if data is None:
            raise ValueError(f"{member.name} is not a file")
        if member.name == FILES:
            _check(json.load(data), found, folder)
            return about
        path = _inside(folder, member.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("xb") as target:
            while block := data.read(_BLOCK):
                digest.update(block)
                target.write(block)
        found[member.name] = digest.hexdigest()
    raise ValueError("it ends early")


def _about(archive: tarfile.TarFile, first: tarfile.TarInfo | None, *, engine: str) -> About:
    data = None if first is None or first.name != ABOUT else archive.extractfile(first)
    if data is None:
        raise ValueError("it is no backup of Holotype")
    said = json.load(data)
    if said["format"] != FORMAT:
        raise StoreError(
            f"the backup has format {said['format']}, this version of Holotype reads {FORMAT}: "
            "use the version that made it, or a newer one"
        )
    if said["engine"] != engine:
        raise StoreError(_other_engine(said["engine"]))
    fingerprint = Fingerprint.from_dict(said["fingerprint"])
    return About(said["engine"], said["gallery"], fingerprint, said["more"])


def _other_engine(engine: str) -> str:
    if engine == SERVER:
        return (
            "the backup was made from a Qdrant server: name one to restore it to with "
            "--qdrant-url (HOLOTYPE_QDRANT_URL)"
        )
    return (
        "the backup was made from an embedded gallery: leave out --qdrant-url "
        "(HOLOTYPE_QDRANT_URL) to restore it"
    )


def _check(said: Mapping[str, Any], found: Mapping[str, str], folder: Path) -> None:
    """Compare what was unpacked with what was packed, and give files their whole size."""
    if said.keys() != found.keys():
        raise ValueError("files are missing from it")
    for name, file in said.items():
        if file["sha256"] != found[name]:
            raise ValueError(f"the bytes of {name} have changed")
        with (folder / name).open("r+b") as target:
            target.truncate(int(file["size"]))


def _inside(folder: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"it holds a file outside of itself, {name!r}")
    return folder / path


def _add_json(archive: tarfile.TarFile, name: str, data: Mapping[str, Any]) -> None:
    text = json.dumps(data, indent=2, sort_keys=True).encode()
    header = tarfile.TarInfo(name)
    header.size = len(text)
    archive.addfile(header, io.BytesIO(text))


def _damaged(reason: str) -> StoreError:
    return StoreError(f"the backup cannot be used: {reason}; take another one")


class _Hashed(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, data: BinaryIO) -> None:
        self._data = data
        self._digest = hashlib.sha256()
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        block = self._data.read(size)
        self._digest.update(block)
        self.read_bytes += len(block)
        return block

    def digest(self) -> str:
        return self._digest.hexdigest()
