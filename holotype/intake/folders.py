"""Files and folders as a source: one label for all, or first-level folders as classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from holotype.errors import UsageError
from holotype.images.files import find_entries
from holotype.intake.groups import GroupRule, no_group
from holotype.intake.incoming import FileStamp, Incoming
from holotype.intake.words import clean_label, readable


@dataclass(frozen=True, slots=True)
class Folders:
    """Pictures below some paths, in order. Iterating again looks again.

    Raises:
        UsageError: a path does not exist, or needs a label and has none.
    """

    paths: Sequence[Path]
    label: str | None = None
    """For all of them; None: the first-level folder below each path is the label."""
    group: GroupRule = no_group
    meta: Mapping[str, str] = field(default_factory=dict)
    may_be_empty: bool = False
    """Folders of classes may come later: an inbox."""

    def __post_init__(self) -> None:
        find_entries(self.paths)  # says which path does not exist
        if self.label is None and not self.may_be_empty:
            for path in self.paths:
                _check_classes(path)

    def __iter__(self) -> Iterator[Incoming]:
        """Every picture, with its label; one that has none comes out as failed."""
        for root in self.paths:
            class_of = cache(partial(_class_of, root=root))  # once a folder, not once a file
            for found in find_entries([root]):
                yield self._incoming(found, root, class_of)

    def count(self) -> int:
        """How many there are, found without looking at any of them."""
        return sum(1 for root in self.paths for _ in find_entries([root]))

    def _incoming(
        self, found: Path | os.DirEntry[str], root: Path, class_of: Callable[[str], str]
    ) -> Incoming:
        # Text, not `Path`, and nothing else that costs microseconds: a known folder is gone
        # through at 100,000 files a second.
        file = os.fspath(found).removeprefix("./")
        source = file if file.isascii() else readable(file)
        try:
            label = self.label or class_of(file[: file.rfind(os.sep) + 1])
            group = None if self.group is no_group else self._group_of(Path(file), root)
        except UsageError as error:
            return Incoming.refused(source, str(error), file=file)
        return Incoming(source, label, group, self.meta, file, _stamp(found))

    def _group_of(self, path: Path, root: Path) -> str | None:
        return self.group(path, path.parent if path == root else root)


def _stamp(found: Path | os.DirEntry[str]) -> FileStamp | None:
    try:
        return FileStamp.of(found)
    except OSError:
        return None  # it is gone: reading it gives the reason


def _class_of(folder: str, root: Path) -> str:
    below = Path(folder).relative_to(root).parts
    if not below:
        raise UsageError(f"no label: it lies in {root} itself, not in a folder of a class below it")
    return clean_label(readable(below[0]))


def _check_classes(path: Path) -> None:
    if not path.is_dir():
        raise UsageError(f"{path} is a file: name its label with --label")
    if not any(child.is_dir() and not child.name.startswith(".") for child in path.iterdir()):
        raise UsageError(
            f"{path} has no folders of classes in it: name the label of its images with --label"
        )
