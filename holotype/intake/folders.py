"""Files and folders as a source: one label for all, or first-level folders as classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from holotype.errors import UsageError
from holotype.images.files import find_images
from holotype.intake.groups import GroupRule, parse_group
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
    group: GroupRule = field(default_factory=lambda: parse_group(None))
    meta: Mapping[str, str] = field(default_factory=dict)
    may_be_empty: bool = False
    """Folders of classes may come later: an inbox."""

    def __post_init__(self) -> None:
        find_images(self.paths)  # says which path does not exist
        if self.label is None and not self.may_be_empty:
            for path in self.paths:
                _check_classes(path)

    def __iter__(self) -> Iterator[Incoming]:
        """Every picture, with its label; one that has none comes out as failed."""
        for root in self.paths:
            class_of = cache(partial(_class_of, root=root))  # once a folder, not once a file
            for path in find_images([root]):
                yield self._incoming(path, root, class_of)

    def _incoming(self, path: Path, root: Path, class_of: Callable[[str], str]) -> Incoming:
        source = readable(path)
        try:
            label = self.label or class_of(os.path.dirname(path))  # noqa: PTH120  5 times faster
            group = self.group(path, path.parent if path == root else root)
        except UsageError as error:
            return Incoming.refused(source, str(error), path=path)
        return Incoming(source=source, label=label, group=group, meta=self.meta, path=path)


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
