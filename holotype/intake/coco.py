"""Pictures and their categories in a COCO file: `images`, `annotations` and `categories`.

A gallery has one label a picture. So a picture whose annotations name one category, once or often,
has that label; one with several different categories, or none, is refused by name. Boxes and masks
are not looked at: the whole picture is taken.

Source: https://cocodataset.org/#format-data, and https://github.com/visipedia/inat_comp for
annotations without boxes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holotype.errors import UsageError

_PARTS = ("images", "annotations", "categories")
_NOT_METADATA = {"id", "file_name", "width", "height", "license", "coco_url", "flickr_url"}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One of the images."""

    id: Any
    name: str
    """Its `file_name`; empty where it has none."""
    label: str = ""
    problem: str = ""
    """Why it has no label."""
    fields: Mapping[str, Any] | None = None
    """What else is known of it."""


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A file that was read; its images come in its order."""

    images: list[Mapping[str, Any]]
    categories: Mapping[Any, str]
    """Names by id."""
    of_image: Mapping[Any, list[Any]]
    """Category ids by image, each once, in the order of the annotations."""
    has_boxes: bool

    @classmethod
    def read(cls, file: Path) -> CocoFile:
        """Read it whole.

        Raises:
            UsageError: it is no such file.
        """
        try:
            found = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"{file} cannot be read as JSON: {error}") from error
        parts: list[Any] = [found.get(p) if isinstance(found, dict) else None for p in _PARTS]
        if not all(isinstance(p, list) and all(isinstance(o, dict) for o in p) for p in parts):
            raise UsageError(
                f"{file} is no COCO file, which has lists of {', '.join(_PARTS)}: other manifests "
                "are .csv, .tsv, .jsonl or .parquet files"
            )
        images, annotations, categories = parts
        of_image: dict[Any, dict[Any, None]] = {}
        for one in annotations:
            of_image.setdefault(_key(one.get("image_id")), {})[_key(one.get("category_id"))] = None
        return cls(
            images,
            {_key(one.get("id")): str(one.get("name") or "") for one in categories},
            {image: list(ids) for image, ids in of_image.items()},
            has_boxes=any(one.get("bbox") or one.get("segmentation") for one in annotations),
        )

    def __iter__(self) -> Iterator[CocoImage]:
        for image in self.images:
            id_, name = image.get("id"), image.get("file_name")
            if not isinstance(name, str) or not name:
                yield CocoImage(id_, "", problem="it has no file_name")
                continue
            label, problem = self._label_of(_key(id_))
            fields = {key: value for key, value in image.items() if key not in _NOT_METADATA}
            yield CocoImage(id_, name, label, problem, fields)

    def _label_of(self, image: Any) -> tuple[str, str]:
        """The one category of an image, or why there is none."""
        names: dict[str, None] = {}
        for category in self.of_image.get(image, ()):
            name = self.categories.get(category)
            if not name:
                return "", f"its category {category!r} is not among the categories, with a name"
            names[name] = None
        if not names:
            return "", "no annotation gives it a category"
        if len(names) > 1:
            several = ", ".join(map(repr, list(names)[:_SHOWN]))
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            return "", (
                f"it has several categories ({several}{more}), and a reference has one label: "
                "cut out what is meant, or leave it out"
            )
        return next(iter(names)), ""


def _key(id_: object) -> object:
    """An id that can be looked up; nothing sensible is a list."""
    return id_ if isinstance(id_, str | int | float | type(None)) else json.dumps(id_)
