"""What `classify query` does without a service, step by step; prints the seconds of each.

    python -m benchmarks.cold_query PHOTO

A process of its own, which imports nothing that the command does not: torch with HOLOTYPE_ONNX=off,
elsewhere ONNX Runtime, if the gallery's encoder was exported.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

Laps = dict[str, tuple[float, float]]
"""Seconds of each step, by the wall and of the processor."""


class Clock:
    """Seconds between laps, by the wall and of the processor."""

    def __init__(self) -> None:
        self.laps: Laps = {}
        self._last = (time.perf_counter(), time.process_time())

    def lap(self, name: str) -> None:
        """What was done since the last lap."""
        now = (time.perf_counter(), time.process_time())
        self.laps[name] = (now[0] - self._last[0], now[1] - self._last[1])
        self._last = now


def cold_steps(photo: Path) -> Laps:
    """Do it, with the settings of the environment."""
    clock = Clock()
    from classify import (
        cli,  # noqa: F401
        commands,  # noqa: F401
    )
    from classify.answering.classifier import Classifier
    from classify.answering.options import QueryOptions
    from holotype.encoder.quick_start import load_quickly
    from holotype.gallery_encoder import load_for
    from holotype.images.picture import read_picture
    from holotype.settings import Settings
    from holotype.store.factory import open_store

    settings = Settings.load()
    clock.lap("import the command, read settings")
    with open_store(settings, fingerprint=None, command="benchmark") as store:
        clock.lap("store")
        if settings.onnx:
            from holotype.encoder import onnx_encoder  # noqa: F401

            clock.lap("import ONNX Runtime")
        else:
            import_torch(clock)
        encoder = load_for(settings, store.fingerprint, load_quickly)
        clock.lap("weights")
        picture = read_picture(photo.read_bytes(), encoder.recipe)
        clock.lap("decode and resize")
        vectors = encoder.encode([picture.pixels])
        clock.lap("forward")
        Classifier(store).classify(vectors, QueryOptions())
        clock.lap("search and vote")
    clock.lap("close the store")
    return clock.laps


def import_torch(clock: Clock) -> None:
    """As `load_quickly` does."""
    from holotype.encoder.quick_start import collector_resting, compiler_deferred

    with collector_resting():
        import torch  # noqa: F401

        clock.lap("import torch")
        with compiler_deferred():
            from holotype.encoder import build  # noqa: F401

    clock.lap("import timm and the encoder")


if __name__ == "__main__":
    print(json.dumps(cold_steps(Path(sys.argv[1]))))
