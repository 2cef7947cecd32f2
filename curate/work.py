"""What is worked out for a page or a program: each is a function of a view and of JSON options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from curate.map.told import map_of
from curate.view import GalleryView
from head.steps import Tell

Work = Callable[[GalleryView, Mapping[str, Any], Tell], dict[str, Any]]
"""Returns what it found as JSON data; tells how far it is."""

WORK: Final[dict[str, Work]] = {"map": map_of}
"""By the name of its command."""
