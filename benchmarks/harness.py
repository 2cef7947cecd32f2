"""What the benchmarks share: the machine, fair timing, tables and JSON.

Two things are compared by running them in turns, A B, B A, A B ..., in one process: what else
the machine does at the time then falls on both. Ratios are medians of the ratios of a turn.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self

OUT = Path(".bench")
"""Where results and what several benchmarks share are kept; git ignores it."""

PACKAGES = ("numpy", "torch", "timm", "scikit-learn", "qdrant-edge-py", "qdrant-client",
            "faiss-cpu", "hnswlib", "pillow")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """Seconds of several runs of one thing."""

    seconds: tuple[float, ...]
    """By the wall."""
    processor: tuple[float, ...]
    """Of this process and its children on all cores: a busy machine stretches it less."""

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """95 of 100 runs are faster."""
        return sorted(self.seconds)[int(0.95 * (len(self.seconds) - 1))]

    def over(self, other: Series) -> float:
        """Median of the ratios to `other`, turn by turn."""
        return _ratio(self.seconds, other.seconds)

    @property
    def work(self) -> float:
        """Median of the processor's seconds."""
        return statistics.median(self.processor)

    def work_over(self, other: Series) -> float:
        """Like `over`, of the processor's seconds."""
        return _ratio(self.processor, other.processor)


def in_turns(
    works: Mapping[str, Callable[[int], object]], *, rounds: int, warm: int = 1, in_a_row: int = 1
) -> dict[str, Series]:
    """Time each work once a round, or several times in a row, in alternating order.

    Args:
        works: by name; called with the number of the call, the same for all.
        rounds: calls of each.
        warm: turns before those.
        in_a_row: calls of one work in a turn. Work of a millisecond is done from a cold cache
            where another one that reads all the memory comes before every call of it.
    """
    wall: dict[str, list[float]] = {name: [] for name in works}
    processor: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(-warm, -(-rounds // in_a_row)):
        gc.collect()
        for name in list(works) if turn % 2 == 0 else list(reversed(works)):
            for call in range(turn * in_a_row, (turn + 1) * in_a_row):
                started, busy = time.perf_counter(), busy_seconds()
                works[name](max(call, 0))
                if turn >= 0:
                    processor[name].append(busy_seconds() - busy)
                    wall[name].append(time.perf_counter() - started)
    return {name: Series(tuple(wall[name]), tuple(processor[name])) for name in works}


def busy_seconds() -> float:
    """Seconds of the processor that this process and its ended children have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def once(work: Callable[[], object]) -> float:
    """Seconds of a single run, for what takes long."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@dataclass(slots=True)
class Result:
    """What one benchmark found. Printed as it comes, written at the end."""

    benchmark: str
    options: Mapping[str, Any]
    tables: list[dict[str, Any]] = field(default_factory=list)
    targets: list[dict[str, Any]] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=lambda: machine())
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show and keep a table; every row has the same columns."""
        self.tables.append({"title": title, "rows": [dict(row) for row in rows]})
        print(f"\n{title}\n\n{markdown(rows)}", flush=True)

    def target(self, what: str, *, reach: str, got: str, met: bool) -> None:
        """Show and keep what was to be reached."""
        self.targets.append({"what": what, "reach": reach, "got": got, "met": met})
        print(f"\n{'reached' if met else 'MISSED'}: {what}: {got} (to reach: {reach})", flush=True)

    def write(self) -> None:
        """Keep everything as JSON."""
        OUT.mkdir(exist_ok=True)
        path = OUT / f"{self.benchmark}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {path}", flush=True)


@contextmanager
def benchmark(name: str, options: argparse.Namespace) -> Iterator[Result]:
    """One benchmark from its first line to its JSON file."""
    result = Result(name, {key: str(value) for key, value in vars(options).items()})
    print(f"# {name}: {describe(result.machine)}", flush=True)
    yield result
    result.machine["load after"] = os.getloadavg()[0]
    result.write()


def machine() -> dict[str, Any]:
    """Processor, memory, load and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def describe(found: Mapping[str, Any]) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{n} {v}" for n, v in found["versions"].items() if v)
    return (
        f"{found['processor']}, {found['cores']} cores, {found['memory GiB']} GiB, "
        f"load {found['load before']:.1f}, python {found['python']}, {versions}"
    )


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an aligned markdown table."""
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [columns, ["-" * width for width in widths], *cells]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def resident_mib(key: str = "VmRSS") -> float:
    """Memory of this process now (`VmRSS`) or at most so far (`VmHWM`), MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) / 1024
    raise KeyError(key)


class PeakMemory:
    """Memory of this process without the pages of files, looked at 20 times a second.

    The kernel keeps no peak of it. Pages of files (an engine's vectors) can be taken back when
    memory is short; these cannot.
    """

    def __enter__(self) -> Self:
        self.anonymous_mib = resident_mib("RssAnon")
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look, name="memory")
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.anonymous_mib = max(self.anonymous_mib, resident_mib("RssAnon"))


def reset_peak() -> None:
    """Let `VmHWM` start anew from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
