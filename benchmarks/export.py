"""All vectors of the embedded store into one float32 array, against one scroll.

    python -m benchmarks export [--references 100000] [--rounds 3]

The peer is what one writes first: a single scroll for everything, whose records become an
array with `np.array`. The floor is the engine's interface alone: pages are read and each
record's id, payload and list of floats are asked for, and nothing is done with them. Each run is a
process of its own, in turns; memory is the growth of its resident set while it exports.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import synthetic
from benchmarks.harness import Result, benchmark, reset_peak, resident_mib
from holotype.references import Vectors
from holotype.store.edge.store import EdgeStore


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.references)))
        return
    with benchmark("export", options) as result:
        synthetic.gallery(options.references)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way in WAYS:
                found[way].append(in_a_process(way, options.references))
        report(result, found, options.references)


def report(result: Result, found: dict[str, list[dict[str, float]]], count: int) -> None:
    """The table and what was to be reached."""
    array = count * synthetic.DIMENSION * 4 / 2**20
    ours = found[OURS]
    rows = []
    for way, runs in found.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        ratio = statistics.median(
            run["seconds"] / mine["seconds"] for run, mine in zip(runs, ours, strict=True)
        )
        rows.append(
            {
                "way": way,
                "s": middle["seconds"],
                "processor s": middle["processor"],
                "us a vector": 1e6 * middle["processor"] / count,
                "x ours": ratio,
                "memory, x the array": middle["memory_mib"] / array,
            }
        )
    result.table(f"Export of {count:,} x {synthetic.DIMENSION} ({array:.0f} MiB)", rows)
    by_way = {row["way"]: row for row in rows}
    speed, floor = by_way[SCROLL]["x ours"], by_way[FLOOR]["x ours"]
    result.target(
        "export against one scroll",
        reach="5x as fast, or the measured limit of the interface",
        got=f"{speed:.1f}x; the interface alone takes {floor:.0%} of our time",
        met=speed >= 5,
    )
    memory = by_way[OURS]["memory, x the array"]
    result.target(
        "memory of an export",
        reach="at most 1.5x the array",
        got=f"{memory:.2f}x",
        met=memory <= 1.5,
    )


def in_a_process(way: str, count: int) -> dict[str, float]:
    """One run."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.export", "--measure", way, "--references", str(count)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(way: str, count: int) -> dict[str, float]:
    """Seconds and memory of one way, in this process."""
    with synthetic.opened(synthetic.gallery(count)) as store:
        assert isinstance(store, EdgeStore)
        store.count()
        reset_peak()
        before, busy, started = resident_mib(), time.process_time(), time.perf_counter()
        kept = WAYS[way](store)
        seconds, processor = time.perf_counter() - started, time.process_time() - busy
        memory = resident_mib("VmHWM") - before
    assert kept is None or kept.shape == (count, synthetic.DIMENSION)
    return {"seconds": seconds, "processor": processor, "memory_mib": memory}


def exported(store: EdgeStore) -> Vectors:
    """The store's own export, into an array of the size that it announces."""
    vectors = np.empty((store.count(), store.fingerprint.dimension), dtype=np.float32)
    row = 0
    for batch in store.export():
        vectors[row : row + len(batch)] = batch.vectors
        row += len(batch)
    return vectors


def scrolled(store: EdgeStore) -> Vectors:
    """One scroll of the engine, records to numpy."""
    import qdrant_edge as qe

    request = qe.ScrollRequest(limit=store.count(), with_vector=True, with_payload=True)
    records, _ = store._space.references.scroll(request)  # noqa: SLF001
    return np.array([record.vector for record in records], dtype=np.float32)


def touched(store: EdgeStore) -> None:
    """What the interface takes: pages read, everything that an export needs asked for."""
    from holotype.store.payload import EXPORTED_KEYS
    from holotype.store.points import EVERY_POINT

    points = store._references  # noqa: SLF001
    limit = points.vectors_per_page
    pages = points.pages(EVERY_POINT, payload=EXPORTED_KEYS, vectors=True, limit=limit)
    for records in pages:
        for record in records:
            _ = record.id, record.payload, record.vector


OURS, SCROLL, FLOOR = "export", "one scroll", "interface alone"
WAYS: dict[str, Callable[[EdgeStore], Any]] = {OURS: exported, SCROLL: scrolled, FLOOR: touched}


if __name__ == "__main__":
    main()
