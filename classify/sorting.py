"""`--sort-into`: pictures as links or copies in a folder per label.

    DIR/<label>/            answered
    DIR/_unsure/<label>/    perhaps
    DIR/_unknown/           like nothing in the gallery

Nothing that is there is ever overwritten or removed (`holotype.images.folders`).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holotype.images.folders import PictureFolders

if TYPE_CHECKING:
    from classify.answering.answers import Answer, QueryResult

UNSURE, UNKNOWN = "_unsure", "_unknown"

_MOST_BYTES: Final = 240
"""Of a folder's name; file systems take 255."""

# What one file system or another does not take, the sign of the escape, and white space and dots
# at an end, which Windows takes away.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*%]|^[ .]|[ .]$')


def folder_of(answer: Answer) -> Path:
    """Where an answer's picture belongs, relative to the folder that is sorted into."""
    state, label = answer.state, answer.label
    if label is None or state == "unknown":
        return Path(UNKNOWN)
    return Path(UNSURE, folder_name(label)) if state == "unsure" else Path(folder_name(label))


def folder_name(label: str) -> str:
    """A label as a name that every file system takes; two labels never get the same one.

    What cannot stand in a name is escaped as in a web address (`a/b` is `a%2Fb`).
    """
    name = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", label)
    if name in {UNSURE, UNKNOWN}:
        name = f"%5F{name[1:]}"
    if len(name.encode()) <= _MOST_BYTES:
        return name
    short = name.encode()[: _MOST_BYTES - 17].decode(errors="ignore")
    return f"{short}%{hashlib.sha256(label.encode()).hexdigest()[:16]}"


class Sorter(PictureFolders):
    """Puts each query that has an answer where it belongs."""

    def show(self, result: QueryResult) -> None:
        """One more answer.

        Raises:
            OutputError: its picture cannot be put there.
        """
        if result.answer is not None:
            self.put(result.query, folder_of(result.answer))

    def __str__(self) -> str:
        """What was done, for people."""
        unknown, said = self.folders[self.into / UNKNOWN], super().__str__()
        return f"{said}, {unknown} of them in {UNKNOWN}" if unknown else said
