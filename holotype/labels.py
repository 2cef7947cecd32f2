"""Labels that somebody typed, beside those that a gallery has."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from holotype.characters import alike, difference
from holotype.errors import HolotypeError

_SHOWN = 10


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
