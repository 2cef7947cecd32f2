"""What a reference's `source` says: where its picture lay, whatever folder a command was run in.

It is absolute, or relative to a root that somebody states, for pictures that move as a whole (a
share that each machine mounts elsewhere). Links are not followed: the name is the one that a person
sees.
"""

from __future__ import annotations

import os
from pathlib import Path

from holotype.errors import UsageError
from holotype.intake.words import readable


def source_of_file(path: Path | str, root: Path | None) -> str:
    """The source of a picture.

    Args:
        path: as it was found.
        root: the stated root; None: there is none.

    Raises:
        UsageError: it does not lie below the root.
    """
    return readable(_named(path, root))


def sources_in(folder: Path | str, root: Path | None) -> str:
    """What the sources of the pictures in a folder begin with, to be made readable with a name."""
    named = _named(folder, root)
    return "" if named == os.curdir else os.path.join(named, "")  # noqa: PTH118  text


def _named(path: Path | str, root: Path | None) -> str:
    whole = os.path.abspath(path)  # noqa: PTH100  Path.absolute keeps `..`
    if root is None:
        return whole
    above = os.path.abspath(root)  # noqa: PTH100
    if os.path.commonpath((whole, above)) != above:
        raise UsageError(
            f"{readable(path)} does not lie in {root}, which --root says that sources are "
            "relative to: leave it out, or name a folder above both"
        )
    return os.path.relpath(whole, above)
