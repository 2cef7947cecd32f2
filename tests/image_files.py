"""Small picture files for tests: a number stands for a picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


def picture(number: int, *, side: int = 24, kind: str = "PNG") -> bytes:
    """The file of the picture with this number; other numbers are other bytes."""
    random = np.random.default_rng(number)
    base = random.integers(0, 256, 3)
    noise = random.integers(-20, 21, (side, side, 3))
    file = BytesIO()
    Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def make_tree(root: Path, classes: dict[str, list[int]]) -> Path:
    """`root/<class>/<number>.png` for every number of every class."""
    for label, numbers in classes.items():
        folder = root / label
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / f"{number:05}.png").write_bytes(picture(number))
    return root
