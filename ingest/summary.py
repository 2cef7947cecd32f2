"""What a run came to, in a few numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from holotype.console import EXIT_DONE, EXIT_NOTHING_DONE, EXIT_SOME_FAILED
from holotype.images.finding import LeftOut
from holotype.intake.words import readable
from holotype.outcomes import FileOutcome, Outcome

DUPLICATE = "the same picture as another file of this run (--report names both)"


@dataclass(slots=True)
class Summary:
    """Counts of a run; the files themselves are in its report."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    """What a person should know of pictures that were added, and of how many of them."""
    seconds: float = 0.0
    stopped: str | None = None
    """Why the run was given up before the last file; None where it was not."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """What was found and not taken."""

    def count(self, outcome: FileOutcome) -> None:
        """One more file has its outcome."""
        self.counts[outcome.outcome] += 1
        if outcome.reason and outcome.outcome in {Outcome.ADDED, Outcome.WOULD_ADD}:
            self.notes[outcome.reason] += 1
        if outcome.is_duplicate:
            self.notes[DUPLICATE] += 1

    @property
    def total(self) -> int:
        """Files that have an outcome."""
        return self.counts.total()

    @property
    def failures(self) -> int:
        """Files that need a person's attention."""
        return sum(n for outcome, n in self.counts.items() if outcome.is_failure)

    @property
    def exit_code(self) -> int:
        """0 all done; 3 done, but some files or whole classes failed; 1 all failed, or given up."""
        if self.stopped is not None or (self.total and self.failures == self.total):
            return EXIT_NOTHING_DONE
        return EXIT_SOME_FAILED if self.failures or self.left_out.empty else EXIT_DONE

    def to_dict(self) -> dict[str, Any]:
        """JSON form; every outcome is there, also at 0."""
        return {
            "total": self.total,
            "failures": self.failures,
            "counts": {outcome.value: self.counts[outcome] for outcome in Outcome},
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "notes": dict(self.notes),
            "left_out": dict(self.left_out.kinds),
            "empty_classes": [readable(folder) for folder in self.left_out.empty],
        }

    def lines(self) -> list[str]:
        """A small table for people: one line an outcome that occurred, one a note, the left out."""
        words = [(outcome.value.replace("_", " "), self.counts[outcome]) for outcome in Outcome]
        width = max(len(str(self.total)), 1)
        outcomes = [f"{n:>{width}}  {word}" for word, n in words if n]
        notes = [f"{n:>{width}}  of these: {note}" for note, n in self.notes.items()]
        return [*outcomes, *notes, *self.left_out.lines()]
