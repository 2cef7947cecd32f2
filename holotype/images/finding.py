"""Finding picture files in folders: the one walk of `ingest add`, `watch`, `query` and `eval`.

Every entry that a walk meets is accounted for. It is

- taken: a file that is named, one with a suffix of `IMAGE_SUFFIXES`, and one with a suffix that
  says nothing (or none) whose first bytes are a picture's;
- refused, with the reason: a folder that cannot be listed or has vanished, a link that leads
  nowhere, back to itself or where nobody may look, a file that would have to be looked into and
  cannot be;
- left out, and counted by kind: files of other kinds, hidden entries, what network drives,
  recycle bins and indexers leave behind, and folders that were gone through already.

Links are followed and each folder is entered once, so loops end. Folders may be nested as deeply
as the system lets anybody make them.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from holotype.errors import BrokenImage, UsageError
from holotype.images.files import listing_reason, reason_of

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif"}
    | {".heic", ".heif", ".hif", ".avif"}
)
"""Lower-case suffixes by which pictures are found in folders, without a look at their bytes."""

OTHER_SUFFIXES = frozenset(
    # Text and data that lie beside pictures, and programs that made them.
    {".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".ini", ".log"}
    | {".html", ".htm", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ods", ".odt", ".db", ".sqlite"}
    | {".npy", ".npz", ".parquet", ".pkl", ".pt", ".pth", ".h5", ".mat", ".zip", ".gz", ".tar"}
    | {".py", ".ipynb", ".m", ".r", ".sh", ".bat", ".exe", ".dll", ".lnk", ".url"}
    # Descriptions and previews that cameras and programs put beside a picture.
    | {".xmp", ".aae", ".thm", ".lrv", ".pp3", ".dop", ".cos", ".on1", ".lrcat", ".lrdata"}
    | {".mp4", ".mov", ".avi", ".mkv", ".m4v", ".mts", ".wav", ".mp3", ".m4a"}
    # Camera raw files: many begin as a TIFF does, and hold a thumbnail in its place.
    | {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25"}
    | {".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2"}
    | {".rwl", ".sr2", ".srf", ".srw", ".x3f"}
    # On their way: they come under another name when they are whole.
    | {".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp", ".temp", ".swp"}
)
"""Lower-case suffixes of files in folders that are left out without a look at their bytes."""

LEFTOVERS = frozenset(
    {"@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "$recycle.bin"}
    | {"system volume information", "found.000", "lost+found"}
    | {"__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"}
    | {"__pycache__", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"}
)
"""Lower-case names of what systems leave in folders: thumbnails, deleted files, indexes."""

_HEAD = 64
"""Bytes by which a picture is recognised."""

_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
"""Lengths of the second header of a BMP, whose signature alone is two common letters."""

_WHY = "skipped: no pictures, by their names or first bytes"

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,12}")
_NAME = attrgetter("name")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that cannot be taken, and why."""

    path: Path
    reason: str


Run = list[Path] | list[os.DirEntry[str]]
"""Files of one folder. Both kinds have a `stat()`, and `os.fspath` gives their path."""

_Sorted = os.DirEntry[str] | Iterator[os.DirEntry[str]] | Unreadable | str
"""An entry that is taken, the children of one that is entered, one that is refused, or the kind
of one that is left out."""


@dataclass(slots=True)
class LeftOut:
    """What a walk left out."""

    kinds: Counter[str] = field(default_factory=Counter)
    """Entries by kind: `.txt`, `without suffix`, `hidden`, `@eaDir`, ..."""
    again: list[tuple[Path, Path]] = field(default_factory=list)
    """Folders that had been gone through already, each with the path under which."""

    empty: list[Path] = field(default_factory=list)
    """Folders of classes in which there was no picture."""

    def clear(self) -> None:
        """As before any walk."""
        self.kinds.clear()
        self.again.clear()
        self.empty.clear()

    def __str__(self) -> str:
        """Like `18 left out: 12 .txt, 6 without suffix (...)`; empty where nothing was."""
        if not self.kinds:
            return ""
        by_kind = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common())
        return f"{self.kinds.total()} left out: {by_kind} ({_WHY})"

    def lines(self) -> list[str]:
        """For people: what was left out, and which classes came to nothing."""
        twice = dict(self.again)
        lines = [str(self)] if self.kinds else []
        for folder in self.empty:
            before = twice.get(folder)
            why = "no picture was found in it" if before is None else f"it is the folder {before}"
            lines.append(f"nothing came of the class folder {folder}: {why}")
        return lines


def find_images(paths: Iterable[Path]) -> Iterator[Path]:
    """Picture files below `paths`, each folder in the order of names.

    What is refused is returned too: reading it gives the reason, and nothing is lost in silence.

    Raises:
        UsageError: one of `paths` does not exist; raised by the call, before anything is found.
    """
    runs = find_runs(paths)
    return (
        Path(found)
        for run in runs
        for found in ([run.path] if isinstance(run, Unreadable) else run)
    )


def find_runs(paths: Iterable[Path], left_out: LeftOut | None = None) -> Iterator[Run | Unreadable]:
    """What `find_images` finds, in a fifth of the time: some of one folder in each list.

    Args:
        paths: files and folders.
        left_out: told what is passed over.

    Raises:
        UsageError: as for `find_images`.
    """
    given = list(paths)
    for path in given:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"no such file or folder: {path}") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be looked at: {reason_of(path, error)}") from error
    walk = _Walk(LeftOut() if left_out is None else left_out)
    return (found for path in given for found in walk.below(path))


def class_folders(path: Path) -> list[str]:
    """Names of the folders in this one that a walk enters, in order.

    Raises:
        UsageError: it cannot be listed.
    """
    try:
        with os.scandir(path) as scan:
            names = [e.name for e in scan if _kind_by_name(e.name) is None and _is_folder(e)]
    except OSError as error:
        raise UsageError(f"{path} is {listing_reason(error)}") from error
    return sorted(names)


class _Walk:
    """One walk, over any number of paths."""

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out
        self._entered: dict[tuple[int, int], Path] = {}

    def below(self, path: Path) -> Iterator[Run | Unreadable]:
        if not os.path.isdir(path):  # noqa: PTH112  never raises, whatever a link leads to
            yield [path]
            return
        top = self._enter(path)
        if isinstance(top, Unreadable):
            yield top
        # Folders half gone through, as a list: recursion would end at 1,000 nested ones.
        stack = [top] if isinstance(top, Iterator) else []
        while stack:
            run: list[os.DirEntry[str]] = []
            for child in stack[-1]:
                found = self._sort(child)
                if found is child:
                    run.append(child)
                elif isinstance(found, Unreadable):
                    if run:
                        yield run
                    run = []
                    yield found
                elif isinstance(found, str):
                    self._left_out.kinds[found] += 1
                elif isinstance(found, Iterator):
                    stack.append(found)
                    break
            else:
                stack.pop()
            if run:
                yield run

    def _sort(self, child: os.DirEntry[str]) -> _Sorted:
        name = child.name
        suffix = name[name.rfind(".") :].lower()
        if suffix in IMAGE_SUFFIXES and name[0] != "." and child.is_file(follow_symlinks=False):
            return child  # nearly all of them: nothing is looked up for it
        kind = _kind_by_name(name)
        if kind is not None:
            return kind
        try:
            if child.is_dir():
                return self._enter(child)
            if suffix in OTHER_SUFFIXES:
                return suffix
            mode = child.stat().st_mode
            if suffix in IMAGE_SUFFIXES:
                return child
            if not stat.S_ISREG(mode):  # opening it could wait for ever
                return "pipe, socket or device"
            if _is_picture(child):
                return child
        except OSError as error:
            return Unreadable(Path(child), reason_of(child, error))
        return _kind_by_suffix(name)

    def _enter(self, folder: Path | os.DirEntry[str]) -> _Sorted:
        try:
            status = folder.stat()
            before = self._entered.setdefault((status.st_dev, status.st_ino), Path(folder))
            if before != Path(folder):
                self._left_out.again.append((Path(folder), before))
                return "folder that was gone through already"
            with os.scandir(folder) as scan:
                return iter(sorted(scan, key=_NAME))
        except OSError as error:
            return Unreadable(Path(folder), listing_reason(error))


def _kind_by_name(name: str) -> str | None:
    """The kind of an entry whose name alone says that it is left out."""
    if name.startswith("."):
        return "hidden"
    return name if name.lower() in LEFTOVERS else None


def _kind_by_suffix(name: str) -> str:
    _, dot, suffix = name.rpartition(".")
    if not dot:
        return "without suffix"
    return f".{suffix.lower()}" if _PLAIN.fullmatch(suffix) else "with a strange suffix"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, or to where nobody may look


def _is_picture(entry: os.DirEntry[str]) -> bool:
    """Whether a file begins as a picture does."""
    from holotype.images.formats import Format, sniff  # Pillow: only where a file asks for it

    with open(entry, "rb") as file:  # noqa: PTH123  an entry is no Path
        head = file.read(_HEAD)
    try:
        kind = sniff(head)
    except BrokenImage:
        return False
    return kind is not Format.BMP or int.from_bytes(head[14:18], "little") in _BMP_HEADERS
