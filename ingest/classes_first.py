"""What a run is about to add, said before anything is embedded: its classes, and likely slips."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from holotype import console
from holotype.errors import GalleryMissing
from holotype.labels import Alike, slips

if TYPE_CHECKING:
    from holotype.access import Access
    from holotype.intake.incoming import Source

_MOST_CLASSES, _MOST_SLIPS = 50, 10


def say_classes(found: Source, access: Access, *, dry_run: bool) -> None:
    """Classes with their counts where there are several, and new labels that look like others.

    Args:
        found: what is to be added.
        access: the way to the gallery, which need not be there.
        dry_run: all of the classes, however many there are.
    """
    counts = found.class_counts()
    known: Mapping[str, int] = {}
    with suppress(GalleryMissing):
        known = access.gallery.counts()
    if len(counts) > 1 or dry_run:
        for line in _table(counts, known, most=len(counts) if dry_run else _MOST_CLASSES):
            console.say(line)
    found_slips = list(slips(counts, known))
    for slip in found_slips[:_MOST_SLIPS]:
        console.say(f"notice: {_told(slip, known)}")
    if len(found_slips) > _MOST_SLIPS:
        console.say(f"notice: and {len(found_slips) - _MOST_SLIPS} more labels like these")


def _table(counts: Mapping[str, int], known: Mapping[str, int], *, most: int) -> list[str]:
    width = len(str(max(counts.values(), default=0)))
    new = {label: "" if label in known or not known else "  (new)" for label in counts}
    lines = [f"{counts[label]:>{width}}  {label}{new[label]}" for label in sorted(counts)]
    more = [f"and {len(lines) - most} more classes"] if len(lines) > most else []
    return [f"{sum(counts.values())} images of {_classes(len(counts))}:", *lines[:most], *more]


def _classes(count: int) -> str:
    return f"{count} class" + ("" if count == 1 else "es")


def _told(slip: Alike, known: Mapping[str, int]) -> str:
    where = "in the gallery" if slip.other in known else "new, too"
    how = "differs in case alone from" if slip.case_alone else "is nearly"
    return (
        f"the label {slip.label!r} is new and {how} {slip.other!r} ({where}): if they are one "
        f"class, `ingest relabel --from {slip.label!r} --to {slip.other!r}` afterwards"
    )
