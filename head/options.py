"""What a retrain can be asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class RetrainStatus(StrEnum):
    """How a retrain ends where nothing went wrong."""

    ACTIVATED = "activated"
    """A new head answers from here on."""
    HELD = "held"
    """A new head was trained and kept, but found worse than the active one."""
    NOT_NEEDED = "not_needed"
    """Too little changed since the newest head; nothing was trained."""


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """Options of one run."""

    if_needed: bool = False
    """Train only where references changed since the newest head."""
    min_new: int = 1
    """With `if_needed`: at least so many of them."""
    force: bool = False
    """Make the new head active even if it is worse."""
    seed: int = 0
    """Of the folds; the same references and seed give the same head."""
    device: str = "auto"
    """Where the logistic regression is solved: `auto`, or a torch device."""


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """What a run did."""

    status: RetrainStatus
    reason: str
    """One sentence."""
    version: str | None
    """Of the new head; of the newest one where none was trained."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """Of the new head; empty where none was trained."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without the parameters that only the classifier reads."""
        return {
            "status": str(self.status),
            "reason": self.reason,
            "version": self.version,
            "report": {key: v for key, v in self.report.items() if key != "parameters"},
        }
