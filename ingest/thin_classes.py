"""What a run leaves to be done, in two lines: thin classes, and those that are hard to tell apart.

An add costs no training: the first line is counts alone, the second what the active head's report
says already. `curate classes` works out the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from holotype import console
from holotype.errors import HolotypeError

if TYPE_CHECKING:
    from holotype.access import AnyStore

THIN = 10
"""References below which a class is thin: with ten a new class is recalled at about 85 %
(`docs/LAB.md`), and its own recall can hardly be measured."""

HARD = 0.75
"""Cross-validated recall below which a class is said to be hard to tell apart."""

_NAMED = 3
"""The others are counted."""


def say_thin_classes(gallery: AnyStore) -> None:
    """At most two lines; none where every class is well, or where nobody can say."""
    # What was added is added and reported: that this cannot be read ends nothing.
    with suppress(HolotypeError):
        lines = [thin(gallery.counts()), hard(_active_report(gallery))]
        said = [line for line in lines if line is not None]
        for line in said[:-1]:
            console.say(line)
        for line in said[-1:]:
            console.say(f"{line}; `curate classes` says what more would help")


def thin(counts: Mapping[str, int]) -> str | None:
    """The classes with fewest references; None where all have enough, or where there is one."""
    few = sorted((count, label) for label, count in counts.items() if count < THIN)
    if not few or len(counts) < 2:
        return None
    return f"fewer than {THIN} references: {_named([f'{label} ({n})' for n, label in few])}"


def hard(report: Mapping[str, Any]) -> str | None:
    """The classes that the head recalled worst; None where it recalled all well, or cannot say."""
    weak = sorted(
        (one["recall"], one["label"], one.get("confused_with"))
        for one in report.get("classes", [])
        if one["recall"] is not None and one["recall"] < HARD
    )
    if not weak:
        return None
    told = [
        f"{label} ({recall:.0%} right{f', taken for {other}' if other else ''})"
        for recall, label, other in weak
    ]
    return f"hard to tell apart, says the active head: {_named(told)}"


def _named(told: Sequence[str]) -> str:
    rest = len(told) - _NAMED
    return ", ".join(told[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _active_report(gallery: AnyStore) -> Mapping[str, Any]:
    active = gallery.active_head()
    if active is None:
        return {}
    return next((one.report for one in gallery.heads() if one.version == active.version), {})
