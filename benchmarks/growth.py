"""How time and memory grow with the number of references: a log-log plot with exponents.

    python -m benchmarks growth [--sizes 1000,10000,50000] [--classes 100] [--plot FILE]

Synthetic vectors in the embedded store; every size is measured in a process of its own.
`ingest` is the writing of references (images are linear by nature: each is embedded once),
`query` one filtered exact search, `export` all vectors into one array, `statistics` the streaming
pass with LDA and metric, `retrain` the whole job: export, search, calibration, final fit, saving.
An exponent of 1 is linear; fitted by least squares.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import synthetic
from benchmarks.harness import (
    OUT,
    PeakMemory,
    Result,
    benchmark,
    busy_seconds,
    reset_peak,
    resident_mib,
)
from benchmarks.retrain import our_lda
from benchmarks.synthetic import Synthetic
from head.job import retrain
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.factory import open_store

if TYPE_CHECKING:
    from holotype.store.port import VectorStore

STEPS = ("ingest", "query", "export", "statistics", "retrain")
QUERIES = 20
LINEAR = 1.1
"""An exponent up to this is linear growth, seen on a busy machine."""


def main() -> None:
    """Measure, print, and draw where that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000,10000,50000")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.classes)))
        return
    with benchmark("growth", options) as result:
        rows = [in_a_process(int(size), options.classes) for size in options.sizes.split(",")]
        result.table("Processor seconds and MiB of growth of the resident set", rows)
        exponents(result, rows)
        if options.plot:
            draw(rows, options.plot)


def in_a_process(size: int, classes: int) -> dict[str, Any]:
    """One size."""
    command = [sys.executable, "-m", "benchmarks.growth", "--measure", str(size)]
    command += ["--classes", str(classes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def measure(size: int, classes: int) -> dict[str, Any]:
    """Every step at one size, in this process."""
    home = OUT / "growth"
    shutil.rmtree(home, ignore_errors=True)
    settings = Settings.load(home=home)
    row: dict[str, Any] = {"references": size}
    with open_store(
        settings, fingerprint=synthetic.space(), command="benchmark", create=True
    ) as store:
        row |= with_vectors(store, size, classes)  # let go before the job takes them out itself
        with PeakMemory() as peak:
            row |= step("retrain", lambda: retrain(store))
    row |= {
        "retrain: resident GiB in all": resident_mib("VmHWM") / 1024,
        "without pages of files": peak.anonymous_mib / 1024,
    }
    shutil.rmtree(home)
    return row


def with_vectors(store: VectorStore, size: int, classes: int) -> dict[str, Any]:
    """All steps but the last."""
    data = synthetic.make(size, classes=classes)
    queries = synthetic.make(QUERIES, classes=classes, seed=1).vectors
    where = Where.equal("meta.half", "a")

    def ingest() -> None:
        for batch in synthetic.references(data):
            store.add(batch)

    def query() -> None:
        for one in queries:
            store.neighbours(one[None], k=20, where=where)

    def export() -> Synthetic:
        vectors = np.empty_like(data.vectors)
        start = 0
        for batch in store.export():
            vectors[start : start + len(batch)] = batch.vectors
            start += len(batch)
        return Synthetic(vectors, data.codes)

    row = step("ingest", ingest)
    store.neighbours(queries[:1], k=1)
    row |= step("query", query, times=QUERIES)
    row |= step("export", export)
    return row | step("statistics", lambda: our_lda(data, classes))


def step(name: str, work: Callable[[], object], *, times: int = 1) -> dict[str, float]:
    """Seconds of the processor and growth of memory."""
    reset_peak()
    before, busy, started = resident_mib(), busy_seconds(), time.perf_counter()
    work()
    wall, seconds = time.perf_counter() - started, busy_seconds() - busy
    return {
        f"{name} s": seconds / times,
        f"{name} wall s": wall / times,
        f"{name} MiB": max(0.0, resident_mib("VmHWM") - before),
    }


def exponents(result: Result, rows: list[dict[str, Any]]) -> None:
    """The slope of each step in log-log, and whether it is linear at most."""
    found = {name: slope(rows, f"{name} s") for name in STEPS}
    result.table(
        "Exponent of processor time",
        [{"step": n, "exponent": round(e, 2)} for n, e in found.items()],
    )
    worst = max(found, key=lambda name: found[name])
    result.target(
        "growth with the number of references",
        reach="linear at most, or explained",
        got=f"largest exponent {found[worst]:.2f} ({worst})",
        met=found[worst] <= LINEAR,
    )


def slope(rows: list[dict[str, Any]], column: str) -> float:
    """Of a straight line through the logarithms."""
    sizes = np.log([row["references"] for row in rows])
    return float(np.polyfit(sizes, np.log([row[column] for row in rows]), 1)[0])


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """Two panels: time and memory."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "growth"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    sizes = [row["references"] for row in rows]
    for panel, unit, what in zip(panels, ("s", "MiB"), ("seconds", "memory, MiB"), strict=True):
        for name in STEPS:
            values = [max(row[f"{name} {unit}"], 1e-4) for row in rows]
            fitted = f"{name}: n^{slope(rows, f'{name} s'):.2f}" if unit == "s" else name
            panel.loglog(sizes, values, marker="o", label=fitted)
        panel.set_xlabel("references")
        panel.set_ylabel("processor " + what if unit == "s" else what)
        panel.grid(visible=True, which="major", alpha=0.3)
        panel.legend()
    figure.savefig(file, metadata={"Date": None})
    print(f"drawn to {file}")


if __name__ == "__main__":
    main()
