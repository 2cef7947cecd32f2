"""Run the benchmarks: all that need no GPU, or one by name.

    python -m benchmarks                  all, each in a process of its own, under 20 minutes
    python -m benchmarks NAME [OPTION...] one, with its own options (NAME --help shows them)

Tables go to standard output, JSON to `.bench/`. Sizes are smaller here than the largest that
were measured; docs/LAB.md says which commands gave the figures there.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import OUT

STEPS: tuple[tuple[str, ...], ...] = (
    ("startup",),
    ("search",),
    ("export",),
    ("retrain", "--full"),
    ("ingest",),
    ("ingest_overhead", "--images", "125", "--rounds", "6",
     "--out", str(OUT / "ingest_overhead_vit.json")),
    ("ingest_overhead", "--backbone", "lite0", "--images", "250",
     "--out", str(OUT / "ingest_overhead_lite0.json")),
    ("known",),
    ("service_load",),
    ("under_writes",),
    ("growth",),
)  # fmt: skip
"""What `make bench` runs. Memory of ingest takes 100,000 files: run `ingest_memory` by itself."""


def main(arguments: Sequence[str]) -> int:
    """Run them; the exit code is 1 if one of them failed."""
    if arguments:
        return run(arguments)
    OUT.mkdir(exist_ok=True)
    began = time.monotonic()
    failed = [step[0] for step in STEPS if exists(step[0]) and run(step) != 0]
    minutes = (time.monotonic() - began) / 60
    print(f"\n{len(STEPS) - len(failed)} benchmarks in {minutes:.1f} minutes", flush=True)
    for name in failed:
        print(f"failed: {name}", flush=True)
    return 1 if failed else 0


def run(command: Sequence[str]) -> int:
    """One benchmark, in a process of its own."""
    name, *rest = command
    if not exists(name):
        print(f"no benchmark {name!r}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *rest], check=False)
    print(f"({name}: {time.monotonic() - began:.0f} s)\n", flush=True)
    return code.returncode


def exists(name: str) -> bool:
    """Whether there is such a benchmark."""
    return name in names()


def names() -> list[str]:
    """All benchmarks."""
    shared = {"__init__", "__main__", "harness", "synthetic"}
    folder = Path(__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in shared)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
