"""Files and folders as a source: one label for all, or first-level folders as classes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from holotype.errors import UsageError
from holotype.images.files import find_runs
from holotype.intake.groups import GroupRule, no_group
from holotype.intake.incoming import Incoming
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
        find_runs(self.paths)  # says which path does not exist
        if self.label is None and not self.may_be_empty:
            for path in self.paths:
                _check_classes(path)

    def __iter__(self) -> Iterator[Incoming]:
        """Every picture, with its label; one that has none comes out as failed."""
        for root in self.paths:
            for run in find_runs([root]):
                yield from self._of_one_folder(run, root)

    def count(self) -> int:
        """How many there are, found without looking at any of them."""
        return sum(len(run) for root in self.paths for run in find_runs([root]))

    def _of_one_folder(
        self, run: Iterable[Path] | Iterable[os.DirEntry[str]], root: Path
    ) -> Iterator[Incoming]:
        # A known folder is gone through at 100,000 files a second: text instead of `Path`, and
        # nothing is done for a file that can be done for its folder.
        label, meta, ungrouped = self.label, self.meta, self.group is no_group
        for found in run:
            file = os.fspath(found).removeprefix("./")
            source = file if file.isascii() else readable(file)
            try:
                label = label or _class_of(file, root)
                group = None if ungrouped else self._group_of(Path(file), root)
            except UsageError as error:
                yield Incoming.refused(source, str(error), file=file)
                continue
            looked_ns = time.time_ns()
            try:
                status = found.stat()
            except OSError:
                status = None  # it is gone: reading it gives the reason
            yield Incoming(source, label, group, meta, file, status, looked_ns)

    def _group_of(self, path: Path, root: Path) -> str | None:
        return self.group(path, path.parent if path == root else root)


def _class_of(file: str, root: Path) -> str:
    below = Path(file).parent.relative_to(root).parts
    if not below:
        raise UsageError(f"no label: it lies in {root} itself, not in a folder of a class below it")
    return clean_label(below[0])


def _check_classes(path: Path) -> None:
    if not path.is_dir():
        raise UsageError(f"{path} is a file: name its label with --label")
    if not any(child.is_dir() and not child.name.startswith(".") for child in path.iterdir()):
        raise UsageError(
            f"{path} has no folders of classes in it: name the label of its images with --label"
        )
