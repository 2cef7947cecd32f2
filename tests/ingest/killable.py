"""`ingest add FOLDER` with the colour encoder, telling everything it does on standard output.

Run by `test_killed.py`, which kills it. Lines: `embedding <sha256 of the pixels>` before a
picture is embedded, `said <outcome as JSON>` once its outcome is certain. Each line is one
write, so that a killed process leaves whole ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from holotype.images.square import Pixels
from holotype.intake.folders import Folders
from holotype.outcomes import FileOutcome
from holotype.references import Vectors
from holotype.settings import Settings
from ingest.adding import add
from ingest.interrupt import finishing_what_is_in_hand
from ingest.opening import open_backend
from tests.fakes import ColourEncoder


def tell(line: str) -> None:
    """One line, at once."""
    os.write(1, f"{line}\n".encode())


class TellingEncoder(ColourEncoder):
    """Says which pictures it embeds."""

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """See `ColourEncoder.encode`."""
        for picture in pixels:
            tell(f"embedding {hashlib.sha256(picture.tobytes()).hexdigest()}")
        return super().encode(pixels)


def main(folder: Path) -> None:
    """Add the folder to the gallery of the environment."""

    def listen(outcome: FileOutcome) -> None:
        tell(f"said {json.dumps(outcome.to_dict())}")

    settings = Settings.load(workers=2)
    with (
        open_backend(
            settings, command="ingest add", load=lambda _: TellingEncoder(batch_size=4)
        ) as backend,
        finishing_what_is_in_hand(),
    ):
        add(Folders([folder]), backend, workers=2, listen=listen)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
