"""Pictures that a program gives, as queries: paths, bytes, images of Pillow and arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from classify.answering.queries import QueryFile, find_sources
from holotype.images.finding import LeftOut
from holotype.images.in_memory import png_of

Picture = str | os.PathLike[str] | bytes | Image | npt.NDArray[Any]


def query_files(pictures: Picture | Iterable[Picture]) -> list[QueryFile]:
    """Where the bytes of these queries come from.

    Args:
        pictures: one or many; see `holotype.images.in_memory` for images and arrays. Folders and
            patterns are expanded.
    """
    if _is_one(pictures):
        return _files(cast("Picture", pictures), 0)
    many = cast("Iterable[Picture]", pictures)
    return [file for index, picture in enumerate(many) for file in _files(picture, index)]


def _is_one(given: object) -> bool:
    """The letters of a path and the rows of an image are no pictures."""
    if isinstance(given, np.ndarray):
        return given.ndim < 4
    return isinstance(given, str | os.PathLike | bytes | Image)


def _files(picture: Picture, index: int) -> list[QueryFile]:
    if isinstance(picture, str | os.PathLike):
        named = [os.fspath(picture)]
        return [*find_sources(named, stdin=sys.stdin.buffer.read, left_out=LeftOut())]
    name = f"picture {index}"
    if isinstance(picture, bytes):
        return [QueryFile(name, lambda: picture)]
    return [QueryFile(name, partial(png_of, picture))]
