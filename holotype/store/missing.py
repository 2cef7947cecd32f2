"""The error for a gallery that is not there: most often its name was mistyped."""

from __future__ import annotations

from collections.abc import Collection

from holotype.errors import GalleryMissing
from holotype.labels import nearest

_SHOWN = 5


def gallery_missing(gallery: str, others: Collection[str]) -> GalleryMissing:
    """Say so, with the galleries that may have been meant.

    Args:
        gallery: as it was asked for.
        others: galleries that are there.
    """
    hint = ""
    if near := nearest(gallery, others):
        hint = f". Did you mean {' or '.join(map(repr, near))}?"
    elif others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        hint = f". The store has {', '.join(map(repr, sorted(others)[:_SHOWN]))}{more}"
    return GalleryMissing(
        f"gallery {gallery!r} does not exist yet: add references with `ingest add`{hint}"
    )
