"""Labels that somebody typed, beside those that a gallery has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from holotype.characters import alike, difference, uniform
from holotype.errors import HolotypeError

_SHOWN = 10

SHORT, TINY = 5, 2
"""Characters up to which one edit tells two labels apart that are not alike, instead of two; and up
to which any does."""

MOST_COMPARED = 1_000_000
"""Pairs of labels that are compared letter by letter: a second. Of more, only case is compared."""

_DIGITS = re.compile("[0-9]+")


def known_label(label: str, labels: Collection[str], *, gallery: str) -> list[str]:
    """The gallery's spellings of a label: one, or more where an earlier version stored several.

    Args:
        label: as somebody typed it.
        labels: of the gallery, most references first.
        gallery: its name, for the message.

    Raises:
        HolotypeError: no reference has that label; the message names the nearest.
    """
    found = alike(label, labels)
    if found:
        return found
    near = nearest(label, labels) or [one for one in labels if difference(label, one)]
    if near:
        hints = filter(None, (difference(label, one) for one in near))
        said = f"did you mean {'; '.join([' or '.join(map(repr, near)), *hints])}?"
    else:
        more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
        said = f"it has {', '.join(list(labels)[:_SHOWN]) or 'none'}{more}"
    raise HolotypeError(
        f"no reference of gallery {gallery!r} has the label {label!r}: {said} "
        "(`ingest classes` lists all)"
    )


def nearest(name: str, names: Collection[str], *, n: int = 3) -> list[str]:
    """Those that somebody who wrote `name` may have meant, nearest first; case does not count."""
    folded: dict[str, list[str]] = {}
    for one in names:
        folded.setdefault(one.casefold(), []).append(one)
    close = difflib.get_close_matches(name.casefold(), folded, n=n)
    return [one for found in close for one in folded[found]][:n]


@dataclass(frozen=True, slots=True)
class Alike:
    """A new label that may be a slip of the pen."""

    label: str
    other: str
    """In the gallery, or new in the same run and more frequent."""
    case_alone: bool
    """They differ in case alone."""


def slips(counts: Mapping[str, int], known: Mapping[str, int]) -> Iterator[Alike]:
    """New labels that are nearly one that is there, or nearly another new one.

    Nearly is: equal but for case, or within two edits (a letter more, less, another, or two that
    changed places); one edit where the shorter has up to 5 characters, none where it has up to 2.
    Labels that differ in their numbers are meant to (`class 1`, `class 2`).

    Args:
        counts: pictures by label, of a run.
        known: references by label, of the gallery.
    """
    there = {uniform(label) for label in known}
    new = sorted((label for label in counts if label not in there), key=lambda x: -counts[x])
    others = list(known)
    folded = {label.casefold(): label for label in reversed(others)}
    thorough = len(new) * (len(new) + len(known)) <= MOST_COMPARED
    for label in new:
        same = folded.get(label.casefold())
        near = same or (_nearest_slip(label, others) if thorough else None)
        if near is not None:
            yield Alike(label, near, case_alone=same is not None)
        others.append(label)
        folded.setdefault(label.casefold(), label)


def _nearest_slip(label: str, others: Collection[str]) -> str | None:
    best: tuple[int, str] | None = None
    numbers = _DIGITS.findall(label)
    for other in others:
        shorter = min(len(label), len(other))
        most = 0 if shorter <= TINY else 1 if shorter <= SHORT else 2
        if abs(len(label) - len(other)) > most or _DIGITS.findall(other) != numbers:
            continue
        edits = distance(label.casefold(), other.casefold())
        if edits <= most and (best is None or edits < best[0]):
            best = edits, other
    return best and best[1]


def distance(one: str, other: str) -> int:
    """Edits between two texts: a letter more, less or another, or two that changed places.

    Optimal string alignment: Damerau-Levenshtein without a second change of what was changed.
    """
    before, last = list[int](), list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            edits = min(row[-1] + 1, last[j] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                edits = min(edits, before[j - 2] + 1)
            row.append(edits)
        before, last = last, row
    return last[-1]
