"""The whole `retrain` command on small galleries, as a process: alone, and beside a busy one.

Each run is a first retrain: the start of the process, its imports, the export, the search,
calibration, and storing the head. The neighbour multiplies matrices with as many threads as
there are cores, as a service that encodes does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import synthetic
from benchmarks.harness import Result, in_turns
from holotype.settings import Settings
from holotype.store.factory import open_store

NEIGHBOUR = "import numpy as np\na = np.ones((1500, 1500))\nwhile True: a @ a"


@dataclass(frozen=True, slots=True)
class Size:
    """Of a gallery, and the seconds in which its retrain is to be done on two idle cores."""

    references: int
    classes: int
    dimension: int
    reach_s: float

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.references:,} x {self.classes} classes x {self.dimension:,}"


SIZES = (Size(60, 2, 1280, 2.0), Size(631, 23, 1280, 8.0), Size(1000, 100, 384, 5.0))


def measure(result: Result, *, rounds: int) -> None:
    """Every size, in turns with and without a neighbour."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            home = Path(folder) / f"{size.references}"
            _fill(size, home)
            works = {"alone": partial(_retrain, home), "beside": partial(_beside, home)}
            alone, beside = in_turns(works, rounds=rounds, warm=0).values()
            rows.append(
                {
                    "retrain": size.name,
                    "s": alone.p50,
                    "processor s": alone.work,
                    "beside a busy process, s": beside.p50,
                    "times as long": beside.over(alone),
                }
            )
            result.target(
                f"retrain of {size.name}",
                reach=f"{size.reach_s:g} s, on 2 idle cores",
                got=f"{alone.p50:.1f} s, {alone.work:.1f} s of processor",
                met=alone.p50 <= size.reach_s,
            )
    result.table("The whole command, from the start of the process", rows)


def _fill(size: Size, home: Path) -> None:
    data = synthetic.make(size.references, classes=size.classes, dimension=size.dimension)
    fingerprint = synthetic.space(size.dimension)
    settings = Settings.load(home=home)
    with open_store(settings, fingerprint=fingerprint, command="benchmark", create=True) as store:
        for batch in synthetic.references(data):
            store.add(batch)


def _retrain(home: Path, _: int) -> None:
    """Of a copy, so that there is no head to be compared with yet."""
    copy = home.with_suffix(".copy")
    shutil.copytree(home, copy)
    environment = {**os.environ, "HOLOTYPE_HOME": str(copy)}
    command = [sys.executable, "-m", "head", "--json"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    shutil.rmtree(copy)


def _beside(home: Path, call: int) -> None:
    with _neighbour():
        _retrain(home, call)


@contextmanager
def _neighbour() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])
    try:
        yield
    finally:
        process.kill()
        process.wait()
