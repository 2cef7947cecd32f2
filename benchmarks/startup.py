"""How long one waits: for `--help`, for one cold query, for a query through a service.

    python -m benchmarks startup [--rounds 3]

Real weights (EfficientNet-Lite0 at 224 px) on a small gallery. The cold
query is split in a process of its own that does what `classify query` does, step by step.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Result, benchmark, busy_seconds, in_turns, once
from benchmarks.photos import make_photos

REFERENCES = 12

Laps = dict[str, tuple[float, float]]
"""Seconds of each step, by the wall and of the processor."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cold:
        print(json.dumps(cold_steps(Path(options.cold))))
        return
    with benchmark("startup", options) as result, tempfile.TemporaryDirectory() as name:
        help_text(result, 3 * options.rounds)
        photos = make_photos(Path(name) / "photos", REFERENCES)
        fill(Path(name), photos[0].parent)
        cold_query(result, photos[0], options.rounds)
        through_service(result, photos, options.rounds)


def help_text(result: Result, rounds: int) -> None:
    """`classify --help` beside an interpreter that does nothing."""
    series = in_turns(
        {
            "python -c pass": lambda _: run("-c", "pass"),
            "classify --help": lambda _: run("-m", "classify", "--help"),
        },
        rounds=rounds,
    )
    result.table(
        "Starting",
        [
            {
                "command": name,
                "p50 s": mine.p50,
                "fastest s": min(mine.seconds),
                "processor s": mine.work,
                "x python": mine.over(series["python -c pass"]),
            }
            for name, mine in series.items()
        ],
    )
    help_ = series["classify --help"]
    result.target(
        "classify --help",
        reach="at most 0.35 s",
        got=f"{help_.p50:.2f} s (fastest {min(help_.seconds):.2f} s, processor {help_.work:.2f} s)",
        met=help_.p50 <= 0.35,
    )


def fill(folder: Path, photos: Path) -> None:
    """A gallery with these photos, and the settings of it in the environment."""
    from demo.weights import BACKBONE, lite0_checkpoint
    from holotype.encoder import load_encoder
    from holotype.intake.folders import Folders
    from holotype.settings import Settings
    from ingest.adding import add
    from ingest.opening import open_backend

    os.environ |= {
        "HOLOTYPE_HOME": str(folder / "home"),
        "HOLOTYPE_BACKBONE": BACKBONE,
        "HOLOTYPE_CHECKPOINT": str(lite0_checkpoint(folder)),
    }
    settings = Settings.load()
    with open_backend(settings, command="benchmark", load=load_encoder) as backend:
        add(Folders([photos], label="photo"), backend)


def cold_query(result: Result, photo: Path, rounds: int) -> None:
    """The command as a user runs it, and its steps."""
    command = series_of(lambda: run("-m", "classify", "query", str(photo), "--json"), rounds)
    steps = [cold_run(photo) for _ in range(rounds)]
    rows = [
        {
            "step": step,
            "p50 s": statistics.median(one[step][0] for one in steps),
            "processor s": statistics.median(one[step][1] for one in steps),
        }
        for step in steps[0]
    ]
    result.table("One cold query, no service", rows)
    whole = statistics.median(command)
    print(f"\n`classify query` as a whole: {whole:.2f} s", flush=True)


def series_of(work: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each run."""
    return [once(work) for _ in range(rounds)]


def cold_run(photo: Path) -> Laps:
    """The steps, in a fresh process."""
    done = run("-m", "benchmarks.startup", "--cold", str(photo))
    steps: Laps = json.loads(done)
    return steps


def cold_steps(photo: Path) -> Laps:
    """Do what `classify query` does, and time each step."""
    clock = Clock()
    import torch  # noqa: F401

    clock.lap("import torch")
    from holotype.encoder import guarded  # noqa: F401

    clock.lap("import timm")
    from classify.classifier import Classifier
    from classify.options import QueryOptions
    from holotype.encoder import load_encoder
    from holotype.images.picture import read_picture
    from holotype.settings import Settings
    from holotype.store.factory import open_store

    clock.lap("import the rest")
    settings = Settings.load()
    encoder = load_encoder(settings)
    clock.lap("weights")
    with open_store(settings, fingerprint=encoder.fingerprint, command="benchmark") as store:
        clock.lap("store")
        picture = read_picture(photo.read_bytes(), encoder.recipe)
        clock.lap("decode and resize")
        vectors = encoder.encode([picture.pixels])
        clock.lap("forward")
        Classifier(store).classify(vectors, QueryOptions())
        clock.lap("search and vote")
    return clock.laps


class Clock:
    """Seconds between laps, by the wall and of the processor."""

    def __init__(self) -> None:
        self.laps: Laps = {}
        self._last = (time.perf_counter(), busy_seconds())

    def lap(self, name: str) -> None:
        """What was done since the last lap."""
        now = (time.perf_counter(), busy_seconds())
        self.laps[name] = (now[0] - self._last[0], now[1] - self._last[1])
        self._last = now


def through_service(result: Result, photos: list[Path], rounds: int) -> None:
    """A query through a running service beside the encoder's forward pass."""
    from holotype.encoder import load_encoder
    from holotype.images.picture import read_picture
    from holotype.settings import Settings
    from holotype.store.factory import open_store
    from tests.running import running

    settings = Settings.load()
    encoder = load_encoder(settings)
    files = [photo.read_bytes() for photo in photos]
    pixels = [read_picture(data, encoder.recipe).pixels for data in files]
    store = open_store(settings, fingerprint=encoder.fingerprint, command="benchmark")
    with store, running(store, encoder=encoder) as service:

        def query(i: int) -> None:
            form = {"images": (f"{i}.jpg", files[i % len(files)], "image/jpeg")}
            service.http.post("/v1/classify", files=form).raise_for_status()

        series = in_turns(
            {
                "forward pass": lambda i: encoder.encode([pixels[i % len(pixels)]]),
                "decode and resize": lambda i: read_picture(files[i % len(files)], encoder.recipe),
                "query through the service": query,
            },
            rounds=10 * rounds,
            warm=3,
        )
    rows = [
        {
            "what": name,
            "p50 ms": 1000 * mine.p50,
            "fastest ms": 1000 * min(mine.seconds),
            "processor ms": 1000 * mine.work,
        }
        for name, mine in series.items()
    ]
    result.table("A query through a running service, photos of 1-2 megapixels", rows)
    whole, forward = series["query through the service"], series["forward pass"]
    on_top = statistics.median(a - b for a, b in zip(whole.seconds, forward.seconds, strict=True))
    quiet = min(whole.seconds) - min(forward.seconds)
    result.target(
        "query through the service, on top of the forward pass",
        reach="at most 30 ms",
        got=f"{1000 * on_top:.0f} ms (fastest runs: {1000 * quiet:.0f} ms)",
        met=on_top <= 0.030,
    )


def run(*arguments: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
