"""Holotype: name what is in a picture by the labelled specimens it already holds.

This package is the library: what an embedding is (`holotype.encoder`), how pictures
are read (`holotype.images`), and where references live (`holotype.store`). The three
processes, `ingest`, `classify` and `head`, are built on it and it imports none of them; only its
front door, `holotype.open` (in `holotype.opening`), puts their functions behind one object.

Importing this package loads neither torch, timm, qdrant nor scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holotype.opening import Gallery as Gallery
    from holotype.opening import open as open  # noqa: A004  the front door

_FRONT_DOOR = ("Gallery", "open")


def __getattr__(name: str) -> Any:
    if name not in _FRONT_DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from holotype import opening

    return getattr(opening, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FRONT_DOOR})
