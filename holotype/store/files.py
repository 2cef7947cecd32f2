"""Small JSON files that are replaced whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Replace `path` atomically and durably: a reader sees the old file or the new one."""
    scratch = path.with_name(f"{path.name}.new")
    with scratch.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    sync_folder(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None where there is no such file.

    Raises:
        ValueError: the file is there but holds no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"{path} does not hold a JSON object")  # noqa: TRY004  as for bad JSON
    return data


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (a rename is not, until its folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make everything in `folder` durable."""
    for path in (folder, *folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_data(descriptor: int) -> None:
    """Bring a file's contents to the disk; macOS knows no call that leaves the times out."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def allocate(descriptor: int, size: int) -> None:
    """Set room aside for a file's first bytes, where the system can.

    Raises:
        OSError: there is not so much.
    """
    if hasattr(os, "posix_fallocate"):  # macOS has none
        os.posix_fallocate(descriptor, 0, size)


def data_end(descriptor: int) -> int:
    """Where the data of a file ends that may be filled up with a hole, as far as can be told.

    The descriptor stays where it is in the file.
    """
    here = os.lseek(descriptor, 0, os.SEEK_CUR)
    end, size = 0, os.fstat(descriptor).st_size
    try:
        while end < size:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno != errno.ENXIO:  # which says: nothing but a hole from here on
            raise
    finally:
        os.lseek(descriptor, here, os.SEEK_SET)
    return end
