"""What is worked out for a page or a program: each is a function of a view and of JSON options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from curate import duplicates, suspects
from curate.map.told import map_of
from curate.out_of_fold import out_of_fold
from curate.readiness import readiness
from curate.view import GalleryView
from head.steps import Standing, Tell

Work = Callable[[GalleryView, Mapping[str, Any], Tell], dict[str, Any]]
"""Returns what it found as JSON data; tells how far it is."""


def _classes(view: GalleryView, _options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    tell(Standing("asking about every reference", 0.0))
    outs = out_of_fold(view.training)
    tell(Standing("following the learning curve", 0.4))
    return {"classes": [one.to_dict() for one in readiness(view, outs)]}


WORK: Final[dict[str, Work]] = {
    "classes": _classes,
    "duplicates": duplicates.work,
    "map": map_of,
    "suspects": suspects.work,
}
"""By the name of its command."""
