"""Golden pictures: what shows, wherever a bundle is opened, that it answers as it did.

Another processor, another version of ONNX Runtime, of NumPy or of Pillow rounds differently; one
that does worse than that would name things wrongly without a word. So the first opening of a bundle
on a machine answers a few pictures that are in it and compares. A bundle that passed is not asked
again until it, the machine or one of the three packages changes.

Shapes: D dimensions.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import PIL

from holotype.encoder.onnxruntime_import import onnxruntime

if TYPE_CHECKING:
    from classify.answering.answers import Answer
    from classify.bundle.contents import Golden
    from holotype.references import Vectors

SCORE_TOLERANCE: Final = 1e-3
"""Of a probability. Between processors an encoder in float32 moves them by 1e-5."""

QUANTISED_TOLERANCE: Final = 0.05
"""Of an encoder in int8: its kernels round differently from processor to processor."""

COSINE, QUANTISED_COSINE = 0.9999, 0.99
"""Least cosine of a golden picture's vector to the one that it had."""


def difference(golden: Golden, answer: Answer, vector: Vectors, *, quantised: bool) -> str | None:
    """What is wrong with the answer to a golden picture; None where nothing is.

    Args:
        golden: the picture, and what was answered.
        answer: what is answered now, in linear mode.
        vector: (D,) of the picture, now.
        quantised: whether the encoder is in int8.
    """
    least = QUANTISED_COSINE if quantised else COSINE
    cosine = float(golden.vector @ vector)
    if not cosine >= least:  # NaN too
        return f"its vector is another one (cosine {cosine:.4f}, at least {least} is needed)"
    tolerance = QUANTISED_TOLERANCE if quantised else SCORE_TOLERANCE
    found = {score.label: score.score for score in answer.scores}
    for label, score in golden.scores.items():
        if not abs(found.get(label, 0.0) - score) <= tolerance:
            return f"{label!r} had {score:.4f}, and has {found.get(label, 0.0):.4f} here"
    return None


class Passed:
    """Remembers which bundles answered on this machine as they should."""

    def __init__(self, identity: str) -> None:
        """Of a bundle with this identity (`BundleReader.identity`)."""
        self._identity = identity

    def __bool__(self) -> bool:
        with suppress(OSError):
            return self._path.is_file()
        return False

    def remember(self) -> None:
        """It passed; where nothing can be written it is asked again next time."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()

    @property
    def _path(self) -> Path:
        machine = [
            platform.node(),
            platform.machine(),
            _processor(),
            sys.version,
            *(package.__version__ for package in (onnxruntime, np, PIL)),
        ]
        key = hashlib.sha256(json.dumps([self._identity, machine]).encode()).hexdigest()
        return _cache_folder() / f"{key}.passed"


def _processor() -> str:
    """Its model, as far as the system tells."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line for line in lines if line.startswith("model name")), "")
    return platform.processor()


def _cache_folder() -> Path:
    if os.name == "nt":
        root = os.environ.get("LOCALAPPDATA") or Path.home()
    else:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "holotype" / "bundles"
