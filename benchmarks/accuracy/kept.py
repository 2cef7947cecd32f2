"""Measurements that are kept, so that a run that was interrupted goes on where it was.

A measurement is used again only where the code that it ran is the same, byte for byte.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.accuracy.features import FOLDER, Features
from benchmarks.accuracy.measure import Measured, Task

ROOT = Path(__file__).parent.parent.parent
SOURCES = ("head/**/*.py", "classify/answering/*.py", "classify/estimator.py", "holotype/**/*.py")
OWN_SOURCES = ("features", "measure", "product", "splits", "tutorial")


def load(task: Task) -> Measured | None:
    """What was found before, if it was."""
    path = _path(task.features, task.seed, strangers=task.strangers)
    if not path.exists():
        return None
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as arrays:
        for name in arrays.files:
            way, _, figure = name.partition("/")
            if figure:
                found.setdefault(way, {})[figure] = arrays[name]
        queries = arrays["queries"]
    return Measured(task.features.name, task.seed, task.strangers, queries, found)


def save(measured: Measured, features: Features) -> None:
    """Keep it."""
    path = _path(features, measured.seed, strangers=measured.strangers)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{way}/{figure}": values
        for way, figures in measured.found.items()
        for figure, values in figures.items()
    }
    np.savez_compressed(path, queries=measured.queries, **arrays)  # type: ignore[arg-type]


def _path(features: Features, seed: int | None, *, strangers: bool) -> Path:
    what = "strangers" if strangers else "split"
    name = f"{features.name}-{features.fingerprint.id}-{len(features)}-{what}-{seed}.npz"
    return FOLDER / f"measured-{_code()}" / name


@cache
def _code() -> str:
    """12 hex digits that stand for the code that is measured."""
    own = [Path(__file__).with_name(f"{name}.py") for name in OWN_SOURCES]
    files = sorted(path for pattern in SOURCES for path in ROOT.glob(pattern)) + own
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
