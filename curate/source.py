"""Where the pictures are that have no label: an option of `curate discover` and `curate next`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curate.unlabelled import read_folders, read_queue, read_vectors
from holotype import console
from holotype.errors import UsageError

if TYPE_CHECKING:
    from curate.embedding import Unlabelled
    from holotype.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One of three: folders, the review queue, a file of vectors."""

    folders: Sequence[Path] = ()
    queue: bool = False
    vectors: Path | None = None

    def check(self) -> None:
        """Refuse none, and more than one.

        Raises:
            UsageError: that is so.
        """
        if bool(self.folders) + self.queue + (self.vectors is not None) != 1:
            raise UsageError("say where the pictures are: folders, --queue, or --vectors FILE")

    def __str__(self) -> str:
        """For people."""
        if self.vectors is not None:
            return str(self.vectors)
        return "the review queue" if self.queue else ", ".join(map(str, self.folders))

    def read(self, access: Access, *, cold: bool = False) -> Unlabelled:
        """The pictures with their vectors; what is not among them is told to people.

        Raises:
            UsageError, HolotypeError: see `curate.unlabelled`.
        """
        if self.vectors is not None:
            found = read_vectors(access, self.vectors)
        else:
            with console.progress("read", "pictures") as progress:
                if self.queue:
                    found = read_queue(access, listen=progress.at)
                else:
                    found = read_folders(access, self.folders, listen=progress.at, cold=cold)
        _say_what_is_missing(found)
        return found

    def nothing(self, found: Unlabelled) -> str:
        """Why no picture was found."""
        if found.in_gallery:
            return f"every picture of {self} is a reference already"
        if found.refused:
            return f"nothing in {self} can be read"
        return f"{self} holds no pictures"


def _say_what_is_missing(found: Unlabelled) -> None:
    for one in found.refused:
        console.say(f"not read: {one.source}: {one.reason}")
    for line in found.left_out.lines():
        console.say(f"notice: {line}")
    if found.in_gallery:
        console.say(f"notice: {found.in_gallery} pictures are references already and left out")
    if found.repeated:
        console.say(f"notice: {found.repeated} files are pictures that are there already")
