"""`--group`: which references are not independent of each other.

- `--group folder`: pictures in one folder are one group; its name is the folder's path
  below the PATH that was given.
- `--group 're:EXPRESSION'`: the one capture of a regular expression that is searched for
  in the file's path. A capture that takes no part (`(a|b)?`) means no group; a path that
  does not match at all is reported as failed, because a group that is missed by accident
  would flatter every accuracy that is measured later.
- `--group NAME`: everything is one group of this name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path

from holotype.errors import UsageError
from holotype.intake.words import clean_group, readable

GroupRule = Callable[[Path, Path], str | None]
"""Group of a file, given its path and the PATH below which it was found.

Raises `UsageError` where the rule does not fit the path.
"""


def parse_group(text: str | None) -> GroupRule:
    """The rule that `--group` names.

    Raises:
        UsageError: the expression is malformed or has not exactly one capture.
    """
    if text is None:
        return no_group
    if text == "folder":
        return _folder
    if text.startswith("re:"):
        return partial(_captured, _compiled(text.removeprefix("re:")))
    return partial(_constant, clean_group(text))


def no_group(_path: Path, _root: Path) -> str | None:
    """The rule of pictures that are independent of each other."""
    return None


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        # Composed, as the paths that are searched: file systems differ in that.
        pattern = re.compile(unicodedata.normalize("NFC", expression))
    except re.error as error:
        raise UsageError(f"--group: {expression!r} is no regular expression: {error}") from error
    if pattern.groups != 1:
        raise UsageError(
            f"--group: {expression!r} has {pattern.groups} captures, exactly one (...) is needed"
        )
    return pattern


def _constant(group: str, _path: Path, _root: Path) -> str | None:
    return group


def _folder(path: Path, root: Path) -> str | None:
    below = path.parent.relative_to(root) if path.is_relative_to(root) else path.parent
    name = readable(below.as_posix())
    return clean_group(name if name != "." else readable(root.name or root.resolve().name))


def _captured(pattern: re.Pattern[str], path: Path, _root: Path) -> str | None:
    found = pattern.search(unicodedata.normalize("NFC", readable(path.as_posix())))
    if found is None:
        raise UsageError(f"--group: {pattern.pattern!r} does not match this path")
    return clean_group(found[1]) if found[1] else None
