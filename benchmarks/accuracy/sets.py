"""Sets of labelled pictures: `<folder>/<set>/{train,val}/<class>/<picture>`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holotype.images.finding import find_images

FOLDER_VARIABLE = "HOLOTYPE_SETS"
PARTS = ("train", "val")


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One picture of a set."""

    path: Path
    part: str
    label: str


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Both parts of a set, in the order of their paths."""

    name: str
    images: tuple[LabelledImage, ...]


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """Which sets to measure on."""
    default = os.environ.get(FOLDER_VARIABLE)
    parser.add_argument(
        "--sets",
        type=Path,
        default=default,
        required=default is None,
        help=f"folder of sets, each with {' and '.join(PARTS)} (default: ${FOLDER_VARIABLE})",
    )
    parser.add_argument("--only", nargs="*", help="names of sets; default: all")


def find_sets(folder: Path, only: list[str] | None = None) -> list[LabelledSet]:
    """The sets in a folder, by name."""
    names = sorted(path.parent.name for path in folder.glob(f"*/{PARTS[0]}") if path.is_dir())
    wanted = [name for name in names if not only or name in only]
    if not wanted:
        raise SystemExit(f"no sets in {folder}: it has to hold <set>/{PARTS[0]}/<class>/ folders")
    return [LabelledSet(name, tuple(_images(folder / name))) for name in wanted]


def _images(root: Path) -> Iterator[LabelledImage]:
    for part in PARTS:
        for path in find_images([root / part]):
            yield LabelledImage(path, part, path.parent.name)
