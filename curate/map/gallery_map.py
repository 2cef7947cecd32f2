"""Where every reference of a gallery lies on its map, and the file that keeps it.

Shapes: N references.
"""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from holotype.errors import OutputError
from holotype.references import Vectors

if TYPE_CHECKING:
    from holotype.fingerprint import Fingerprint
    from holotype.settings import Settings

FORMAT: Final = 1
"""Of the file. A file of another one is made anew."""


def map_file(settings: Settings, fingerprint: Fingerprint) -> Path:
    """Where the map of a gallery is kept: vectors of another fingerprint lie elsewhere."""
    return settings.home / settings.gallery / "maps" / f"{fingerprint.id}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class GalleryMap:
    """Row i of everything is one reference."""

    ids: list[str]
    """N UUIDs, in id order."""
    positions: Vectors
    """(N, 2); when it was laid out, the farthest was at 1 from the middle."""
    laid_out: npt.NDArray[np.bool_]
    """(N,): arranged among all others. False: put beside its nearest."""
    later: npt.NDArray[np.bool_]
    """(N,): came after the map was laid out."""

    def __len__(self) -> int:
        return len(self.ids)

    def save(self, file: Path) -> None:
        """Keep it; a reader finds all of the old or all of the new.

        Raises:
            OutputError: it cannot be written.
        """
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as writing:
                np.savez(
                    writing,
                    format=np.array(FORMAT),
                    ids=np.array(self.ids, dtype="U36"),
                    positions=self.positions,
                    laid_out=self.laid_out,
                    later=self.later,
                )
            part.replace(file)
        except OSError as error:
            raise OutputError(f"the map to {file}", error) from error
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, file: Path) -> GalleryMap | None:
        """What was kept; None where there is nothing that can be read."""
        with (
            suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile),
            file.open("rb") as reading,
            np.load(reading, allow_pickle=False) as kept,
        ):
            if int(kept["format"]) == FORMAT:
                return cls(kept["ids"].tolist(), kept["positions"], kept["laid_out"], kept["later"])
        return None
