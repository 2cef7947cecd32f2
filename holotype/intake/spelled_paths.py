"""Files that a list names in another spelling than the disk has.

File systems keep names as bytes, and programs differ in how they spell an accented letter or a
space: a list that was made on one machine names a file on another that looks the same.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from holotype.characters import uniform


class Finder:
    """Finds files below one folder; listings that it needs are read once."""

    def __init__(self, folder: Path) -> None:
        """Look below `folder`."""
        self._folder = folder
        self._listings: dict[Path, dict[str, list[str]]] = {}

    def find(self, text: str) -> Path | None:
        """The file under its own name; None where there is none, or where several look the same.

        Args:
            text: relative to the folder, or absolute.
        """
        whole = self._folder / text
        if os.path.lexists(whole):
            return whole
        here = Path(whole.anchor) if whole.is_absolute() else Path()
        for part in whole.relative_to(here).parts:
            below = here / part
            if not os.path.lexists(below):
                alike = self._listing(here).get(uniform(part), [])
                if len(alike) != 1:
                    return None
                below = here / alike[0]
            here = below
        return here

    def _listing(self, folder: Path) -> dict[str, list[str]]:
        """Names in a folder by their one spelling; empty where it cannot be read."""
        known = self._listings.get(folder)
        if known is None:
            known = self._listings[folder] = defaultdict(list)
            try:
                for name in os.listdir(folder):  # noqa: PTH208  names, not paths
                    known[uniform(name)].append(name)
            except OSError:
                return known
        return known
