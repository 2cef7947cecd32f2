"""`--sort-into`: pictures as links or copies in a folder per label.

    DIR/<label>/            answered
    DIR/_unsure/<label>/    perhaps
    DIR/_unknown/           like nothing in the gallery

Nothing that is there is ever overwritten or removed: a picture whose name is taken gets the next
free one (`leaf-2.png`), and one that is there already, by the same link or the same bytes, stays.
So the same run again changes nothing.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holotype.errors import OutputError

if TYPE_CHECKING:
    from classify.answering.answers import Answer, QueryResult

UNSURE, UNKNOWN = "_unsure", "_unknown"

_MOST_BYTES: Final = 240
"""Of a folder's name; file systems take 255."""

# What one file system or another does not take, the sign of the escape, and white space and dots
# at an end, which Windows takes away.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*%]|^[ .]|[ .]$')
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}


def folder_of(answer: Answer) -> Path:
    """Where an answer's picture belongs, relative to the folder that is sorted into."""
    state, label = answer.state, answer.label
    if label is None or state == "unknown":
        return Path(UNKNOWN)
    return Path(UNSURE, folder_name(label)) if state == "unsure" else Path(folder_name(label))


def folder_name(label: str) -> str:
    """A label as a name that every file system takes; two labels never get the same one.

    What cannot stand in a name is escaped as in a web address (`a/b` is `a%2Fb`).
    """
    name = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", label)
    if name in {UNSURE, UNKNOWN}:
        name = f"%5F{name[1:]}"
    if len(name.encode()) <= _MOST_BYTES:
        return name
    short = name.encode()[: _MOST_BYTES - 17].decode(errors="ignore")
    return f"{short}%{hashlib.sha256(label.encode()).hexdigest()[:16]}"


class Sorter:
    """Puts each query that has an answer where it belongs."""

    def __init__(self, into: Path, *, copy: bool) -> None:
        """Sort below `into`, which is made where it is missing.

        Raises:
            OutputError: it cannot be made.
        """
        self._into, self._copy = into, copy
        self._folders: Counter[Path] = Counter()
        with _writing(into):
            into.mkdir(parents=True, exist_ok=True)
            self.had_some = any(into.iterdir())
            """Something was there before."""

    def show(self, result: QueryResult) -> None:
        """One more answer.

        Raises:
            OutputError: its picture cannot be put there.
        """
        if result.answer is None:
            return
        picture = Path(os.path.abspath(result.query))  # noqa: PTH100  a link is one picture, too
        folder = self._into / folder_of(result.answer)
        self._folders[folder] += 1
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for target in _names(folder, picture):
                if _is_there(target, picture) or self._put(picture, target):
                    return

    def __str__(self) -> str:
        """What was done, for people."""
        unknown = self._folders[self._into / UNKNOWN]
        folders = f"{len(self._folders)} folder" + "s" * (len(self._folders) != 1)
        said = f"{self._folders.total()} images are in {folders} of {self._into}"
        return f"{said}, {unknown} of them in {UNKNOWN}" if unknown else said

    def _put(self, picture: Path, target: Path) -> bool:
        """Whether that name was free; nobody's file is ever replaced."""
        try:
            if self._copy:
                _copy(picture, target)
            else:
                target.symlink_to(picture)
        except FileExistsError:
            return False
        return True


def _names(folder: Path, picture: Path) -> Iterator[Path]:
    yield folder / picture.name
    for n in count(2):
        yield folder / f"{picture.stem}-{n}{picture.suffix}"


def _is_there(target: Path, picture: Path) -> bool:
    if target.is_symlink():
        return os.path.abspath(target.readlink()) == str(picture)  # noqa: PTH100
    return target.is_file() and filecmp.cmp(target, picture, shallow=False)


def _copy(picture: Path, target: Path) -> None:
    """A whole copy or none: it gets its name when it is complete."""
    part = target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.part")
    try:
        shutil.copy2(picture, part)
        try:
            os.link(part, target)  # raises where the name is taken, unlike a renaming
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(target):
                raise FileExistsError(target) from error
            part.rename(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"into {folder}", error) from error
