"""Holotype: name what is in a picture by the labelled specimens it already holds.

This package is the library: what an embedding is (`holotype.encoder`), how pictures
are read (`holotype.images`), and where references live (`holotype.store`). The three
processes, `ingest`, `classify` and `head`, are built on it and it imports none of them; only its
front door (`holotype.opening`) puts their functions behind one object.

Importing this package loads neither torch, timm, qdrant nor scikit-learn: what it is used by from
Python is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holotype.opening import Gallery as Gallery
    from holotype.opening import RetrievalClassifier as RetrievalClassifier
    from holotype.opening import open as open  # noqa: A004  the front door

_LIVES_IN = {
    "Gallery": "holotype.opening",
    "RetrievalClassifier": "classify.estimator",
    "open": "holotype.opening",
}


def __getattr__(name: str) -> Any:
    """`holotype.NAME` of the front door."""
    if name not in _LIVES_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LIVES_IN[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LIVES_IN])
