"""Does the memory of `ingest add` stay flat as the folder grows?

    python -m benchmarks.ingest_memory [--sizes 1000,10000,100000] [--out FILE]

Tiny PNG files are ingested into an empty gallery with an encoder that only averages colours,
once into the embedded store and once into a store that keeps nothing, each in a process of
its own. The store that keeps nothing shows the pipeline alone; the difference between the
two is the embedded engine, which keeps its vectors and its indexes in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from holotype.intake.folders import Folders
from holotype.outcomes import FileOutcome
from holotype.references import EmbeddedReference
from holotype.settings import Settings
from ingest.adding import add
from ingest.backend import Backend
from ingest.local import LocalBackend
from ingest.opening import open_backend
from tests.fakes import ColourEncoder

PER_FOLDER = 1_000
SIDE = 16
WARM = 640
"""Files after which every thread, queue and library is in place."""


class Forgetful:
    """A store that takes everything and keeps nothing."""

    fingerprint = ColourEncoder().fingerprint
    gallery = "nothing"

    def existing(self, ids: Sequence[str]) -> dict[str, str]:  # noqa: ARG002  the port's
        """Nothing is here."""
        return {}

    def add(self, references: Sequence[EmbeddedReference], **_: object) -> None:
        """Forget them."""


def main() -> None:
    """Measure each size in its own process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        folder, kind = options.measure
        print(json.dumps(measure(Path(folder), kind)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in map(int, options.sizes.split(",")):
            make_files(Path(scratch) / str(size), size)
            for kind in ("pipeline", "embedded"):
                rows.append({"files": size, "store": kind} | in_a_process(scratch, size, kind))
                show(rows[-1])
    if options.out:
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        options.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


def make_files(root: Path, count: int) -> None:
    """`count` different pictures of 16 x 16 pixels in folders of 1,000."""
    random = np.random.default_rng(count)
    for start in range(0, count, PER_FOLDER):
        folder = root / f"class{start // PER_FOLDER:03}"
        folder.mkdir(parents=True)
        pixels = random.integers(0, 256, (PER_FOLDER, SIDE, SIDE, 3), dtype=np.uint8)
        for n, picture in enumerate(pixels[: count - start]):
            Image.fromarray(picture).save(folder / f"{n:04}.png", compress_level=1)


def in_a_process(scratch: str, size: int, kind: str) -> dict[str, float]:
    """The figures of one run."""
    home = Path(scratch) / f"home-{size}-{kind}"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest_memory", "--measure", f"{scratch}/{size}", kind],
        env={**os.environ, "HOLOTYPE_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(folder: Path, kind: str) -> dict[str, float]:
    """Ingest, and look at this process's memory (MiB) on the way."""
    seen = 0
    warm = 0.0

    def listen(_outcome: FileOutcome) -> None:
        nonlocal seen, warm
        seen += 1
        if seen == WARM:
            warm = resident()

    started = time.monotonic()
    with ExitStack() as opened:
        summary = add(Folders([folder]), backend(kind, opened), listen=listen)
        end = resident()
    assert summary.failures == 0
    return {
        "warm_mib": warm,
        "end_mib": end,
        "peak_mib": peak(),
        "images_per_s": summary.total / (time.monotonic() - started),
    }


def backend(kind: str, opened: ExitStack) -> Backend:
    """The embedded store, or one that keeps nothing."""
    load = partial(ColourEncoder, batch_size=32)
    if kind == "pipeline":
        return LocalBackend(Forgetful(), load, workers=2)  # type: ignore[arg-type]
    return opened.enter_context(
        open_backend(Settings.load(), command="benchmark", load=lambda _: load())
    )


def resident() -> float:
    """MiB in memory now."""
    return status("VmRSS")


def peak() -> float:
    """MiB in memory at most so far."""
    return status("VmHWM")


def status(key: str) -> float:
    """A line of /proc/self/status, kB as MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) / 1024
    raise KeyError(key)


def show(row: dict[str, object]) -> None:
    """A line of the table."""
    print(
        "{files:>7} files  {store:<9} after 640: {warm_mib:6.0f} MiB  end: {end_mib:6.0f} MiB  "
        "peak: {peak_mib:6.0f} MiB  {images_per_s:6.0f} images/s".format(**row),
        flush=True,
    )


if __name__ == "__main__":
    main()
