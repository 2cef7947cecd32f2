"""Files and folders as a source: one label for all, or first-level folders as classes."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from holotype.errors import UsageError
from holotype.images.finding import LeftOut, Run, Unreadable, class_folders, find_runs
from holotype.intake.groups import GroupRule, no_group
from holotype.intake.incoming import Incoming, Verdict
from holotype.intake.source_names import source_of_file, sources_in
from holotype.intake.words import clean_label, readable
from holotype.outcomes import Outcome

_SPLIT = re.compile(
    r"(train(ing|val)?|val(id(ation)?)?|test(ing)?|dev|eval(uation)?|holdout)"
    r"(set|data|images|split)?"
)
"""Names of parts of a data set, letters alone (`train_2017`, `Test-Set`)."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Pictures below some paths, in order. Iterating again looks again.

    Raises:
        UsageError: a path does not exist, needs a label and has none, or lies above the parts
            of a data set (`train`, `val`) instead of above classes.
    """

    paths: Sequence[Path]
    label: str | None = None
    """For all of them; None: the first-level folder below each path is the label."""
    group: GroupRule = no_group
    meta: Mapping[str, str] = field(default_factory=dict)
    may_be_empty: bool = False
    """Folders of classes may come later: an inbox."""
    splits_are_classes: bool = False
    """Folders called `train` or `test` are classes of that name."""
    root: Path | None = None
    """What sources are relative to; None: they are absolute."""
    left_out: LeftOut = field(default_factory=LeftOut, init=False, compare=False)
    """What the last iteration, once it is through, did not take."""

    def __post_init__(self) -> None:
        find_runs(self.paths)  # says which path does not exist
        for path in self.paths:
            sources_in(path, self.root)  # says which one does not lie in the root
        if self.label is None:
            for path in self.paths:
                self._check_classes(path)

    def __iter__(self) -> Iterator[Incoming]:
        """Every picture, with its label; one that has none comes out as failed."""
        self.left_out.clear()
        for root in self.paths:
            by_class = self.label is None and os.path.isdir(root)  # noqa: PTH112  never raises
            classes = dict.fromkeys(self._classes_in(root) if by_class else ())
            for run in find_runs([root], self.left_out):
                if isinstance(run, Unreadable):
                    yield self._refused(run)
                    continue
                yield from self._of_one_folder(run, root)
                below = Path(run[0]).relative_to(root).parts if by_class else ()
                classes.pop(below[0] if below else "", None)
            self.left_out.empty.extend(root / name for name in classes)

    def count(self) -> int:
        """How many there are, found without looking at any of them."""
        found = (run for root in self.paths for run in find_runs([root]))
        return sum(1 if isinstance(run, Unreadable) else len(run) for run in found)

    def _of_one_folder(self, run: Run, root: Path) -> Iterator[Incoming]:
        # A known folder is gone through at 100,000 files a second: text instead of `Path`, and
        # nothing is done for a file that can be done for its folder.
        label, meta, ungrouped = self.label, self.meta, self.group is no_group
        begins = sources_in(Path(run[0]).parent, self.root)
        for found in run:
            file = os.fspath(found).removeprefix("./")
            source = f"{begins}{found.name}"
            if not source.isascii():
                source = readable(source)
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

    def _check_classes(self, path: Path) -> None:
        if os.path.isdir(path):  # noqa: PTH112  never raises
            names = self._classes_in(path)
            problem = None if names else f"{path} has no folders of classes in it"
        else:
            problem = f"{path} is a file"
        if problem and not self.may_be_empty:
            raise UsageError(f"{problem}: name the label of its images with --label")

    def _classes_in(self, path: Path) -> list[str]:
        names = class_folders(path)
        splits = [name for name in names if _SPLIT.fullmatch(re.sub(r"[\W\d_]", "", name.lower()))]
        one_with_classes = len(splits) == len(names) == 1 and class_folders(path / splits[0])
        if not self.splits_are_classes and (len(splits) > 1 or one_with_classes):
            raise UsageError(
                f"the folders in {path} are called {', '.join(map(repr, splits))}: parts of a data "
                f"set, not classes. Name one of them ({path / splits[0]}), or say "
                "--splits-are-classes"
            )
        return names

    def class_counts(self) -> Counter[str]:
        """Pictures by label, found without looking at any of them."""
        counts: Counter[str] = Counter()
        for root in self.paths:
            for run in find_runs([root]):
                if isinstance(run, Unreadable):
                    continue
                with suppress(UsageError):  # the run names each that has no label
                    counts[self.label or _class_of(os.fspath(run[0]), root)] += len(run)
        return counts

    def _refused(self, entry: Unreadable) -> Incoming:
        source = source_of_file(entry.path, self.root)
        verdict = Verdict(Outcome.BROKEN, entry.reason)
        return Incoming(source, "", file=os.fspath(entry.path), verdict=verdict)

    def _group_of(self, path: Path, root: Path) -> str | None:
        return self.group(path, path.parent if path == root else root)


def _class_of(file: str, root: Path) -> str:
    below = Path(file).parent.relative_to(root).parts
    if not below:
        raise UsageError(f"no label: it lies in {root} itself, not in a folder of a class below it")
    return clean_label(below[0])
