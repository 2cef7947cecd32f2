"""Pictures as links or copies in folders.

Nothing that is there is ever overwritten or removed: a picture whose name is taken gets the next
free one (`leaf-2.png`), and one that is there already, by the same link or the same bytes, stays.
So the same run again changes nothing.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from holotype.errors import OutputError

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}


class PictureFolders:
    """Puts pictures into folders below one."""

    def __init__(self, into: Path, *, copy: bool = False) -> None:
        """Sort below `into`, which is made where it is missing.

        Raises:
            OutputError: it cannot be made.
        """
        self.into, self._copy = into, copy
        self.folders: Counter[Path] = Counter()
        """Pictures in each, of those that were put by this."""
        with _writing(into):
            into.mkdir(parents=True, exist_ok=True)
            self.had_some = any(into.iterdir())
            """Something was there before."""

    def put(self, file: str | Path, folder: Path) -> None:
        """One more picture, into a folder relative to `into`.

        Raises:
            OutputError: it cannot be put there.
        """
        picture = Path(os.path.abspath(file))  # noqa: PTH100  a link is one picture, too
        within = self.into / folder
        self.folders[within] += 1
        with _writing(within):
            within.mkdir(parents=True, exist_ok=True)
            for target in _names(within, picture):
                if _is_there(target, picture) or self._put(picture, target):
                    return

    def __str__(self) -> str:
        """What was done, for people."""
        folders = f"{len(self.folders)} folder" + "s" * (len(self.folders) != 1)
        return f"{self.folders.total()} images are in {folders} of {self.into}"

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
