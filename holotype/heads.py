"""How a head version is stored: named blocks of vectors and a report.

The store knows nothing of what a head means. It keeps, per version, a few float32
matrices (all with D + 1 columns, so that they are vectors beside the gallery's), and a
JSON record. Publishing is atomic: blocks first, record next, the active pointer last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holotype.references import Vectors


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """What is known of a head version without loading its numbers."""

    version: str
    """Sorts by creation time: `YYYYMMDD-HHMMSS-xxxx`, UTC."""
    created_at: str
    """ISO 8601, UTC."""
    status: str
    """`ready`, or `held`: trained but found worse than the active head."""
    labels: tuple[str, ...]
    report: Mapping[str, Any] = field(default_factory=dict)
    """JSON-serialisable; see `head.versions.report`."""
    block_rows: Mapping[str, int] = field(default_factory=dict)
    """Rows of each block, so that a torn write is noticed."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A head version with its numbers."""

    record: HeadRecord
    blocks: Mapping[str, Vectors]
    """name -> (rows, D + 1) float32, finite."""


@dataclass(frozen=True, slots=True)
class ActiveHead:
    """The pointer. Moved only by promote, rollback and a retrain that wins."""

    version: str
    history: tuple[str, ...] = ()
    """Versions that were active before, the most recent last; rollback pops it."""
    newest: str | None = None
    """The newest version there was when the pointer was moved: what to do with it, and with all
    before it, was decided then. None in pointers of earlier releases."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A named right that one process at a time may hold, across machines."""

    name: str
    holder: str
    """Who: any text that no other holder has."""
    expires_at: float
    """Seconds since the epoch, UTC: a dead holder is overruled after this."""
