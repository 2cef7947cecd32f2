"""The search index of an embedded gallery, built when a user asks for it.

Without an index every search compares the query with every reference: exact, and fast
enough up to about 100,000 of them. With one it is approximate and several times faster.
References that are added later are found exactly until the index is built again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from holotype.errors import StoreError

COMMAND = "ingest optimize"


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What was built."""

    references: int
    """In the gallery."""
    indexed: int
    """Of them, those that a search finds through the index."""
    seconds: float


def optimize(home: Path, gallery: str) -> IndexReport:
    """Build the index in a process of its own, and wait for it (minutes at 100,000).

    Args:
        home: where the embedded store lives.
        gallery: its name; nobody may have it open, this process included.

    Raises:
        StoreError: the gallery is missing or in use, or the engine failed; the message says.
    """
    command = [sys.executable, "-m", "holotype.store.edge.indexing", str(home), gallery]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own module
    if done.returncode != 0:
        reason = done.stderr.strip() or f"its process ended with {done.returncode}"
        raise StoreError(f"the index was not built: {reason}")
    return IndexReport(**json.loads(done.stdout))
