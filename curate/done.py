"""What became of suspects and duplicates that somebody decided about on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from holotype import console


@dataclass(frozen=True, slots=True)
class Done:
    """Of what was asked for."""

    changed: int
    """References that were relabelled, regrouped, kept or removed."""
    left: dict[str, str] = field(default_factory=dict)
    """Why something was left as it was, by its name."""

    def say(self, what: str) -> int:
        """Tell people; returns the exit code."""
        for name, why in self.left.items():
            console.say(f"left as it was: {name}: {why}")
        console.say(f"{what}: {console.counted(self.changed, 'reference')}")
        if not self.left:
            return console.EXIT_DONE
        return console.EXIT_SOME_FAILED if self.changed else console.EXIT_NOTHING_DONE
