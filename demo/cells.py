"""Real images for the demo: electroluminescence pictures of solar cells.

The package `elpv-dataset` ships 2,624 grey 300 x 300 pictures with a defect probability
and a cell type (Buerhop-Lutz et al., 2018; CC BY-NC-SA 4.0, so they are installed, never
redistributed). Four classes: functional (probability 0) or defective (probability 1) cells,
mono- or polycrystalline; a balanced subset, and a part that is held out.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

CLASSES = ("mono-functional", "mono-defective", "poly-functional", "poly-defective")
KNOWN_CLASS = "mono-functional"
LATE_CLASS = "poly-defective"
"""The class that the demo adds after the others."""
REFERENCES_PER_CLASS = 100
HELD_OUT_PER_CLASS = 60


@dataclass(frozen=True)
class Cells:
    """Where the prepared images lie."""

    first: Path
    """Class folders of the classes that are there from the start."""
    late: Path
    """One folder: the class that is added later."""
    held_out: Path
    """Class folders, none of whose images is a reference."""
    stranger: Path
    """No cell: a photograph that scikit-learn ships."""


def prepare_cells(folder: Path) -> Cells:
    """Lay out the subset under `folder`, afresh, the same every time."""
    shutil.rmtree(folder, ignore_errors=True)
    cells = Cells(folder / "first", folder / LATE_CLASS, folder / "held_out", _stranger())
    chooser = random.Random(0)  # noqa: S311  # a reproducible choice, not a secret
    for label, pictures in _pictures_by_class().items():
        chosen = chooser.sample(pictures, REFERENCES_PER_CLASS + HELD_OUT_PER_CLASS)
        place = cells.late if label == LATE_CLASS else cells.first / label
        _copy(chosen[:REFERENCES_PER_CLASS], place)
        _copy(chosen[REFERENCES_PER_CLASS:], cells.held_out / label)
    return cells


def _pictures_by_class() -> dict[str, list[Path]]:
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise SystemExit("the demo needs the package elpv-dataset: pip install --group demo")
    data = Path(spec.origin).parent / "data"
    found: dict[str, list[Path]] = {label: [] for label in CLASSES}
    for line in (data / "labels.csv").read_text().splitlines():
        name, probability, kind = line.split()
        state = {0.0: "functional", 1.0: "defective"}.get(float(probability))
        if state:
            found[f"{kind}-{state}"].append(data / name)
    return found


def _stranger() -> Path:
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise SystemExit("the demo needs scikit-learn: pip install scikit-learn")
    return Path(spec.origin).parent / "datasets/images/flower.jpg"


def _copy(pictures: list[Path], place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        shutil.copy(picture, place / picture.name)
