"""How many references carry each value: an engine's facet, made fit to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def tally(hits: Iterable[Any]) -> dict[str, int]:
    """Count by value, the largest first, equal ones by value, of either engine's hits.

    Both engines go on listing a value that no point carries any longer, with a count of 0: a
    class that was removed would be answered for ever.
    """
    return in_order({str(hit.value): hit.count for hit in hits if hit.count})


def in_order(counted: Mapping[str, int]) -> dict[str, int]:
    """The largest first, equal ones by value."""
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
