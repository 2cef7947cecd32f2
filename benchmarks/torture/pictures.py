"""Thousands of damaged and costly pictures through the decoder, the command and the service.

    python -m benchmarks.torture.pictures [--count 5000 --seed 0]

Nothing may crash, no picture may take 2 s of a core, memory stays bounded, every file has an
outcome, and no request ends in a 500. The decoder runs in a process of its own, so that a crash
is seen, and its peak of memory is taken picture by picture (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness import Result, benchmark
from benchmarks.service_load import prepare, serving
from benchmarks.torture.damaged import costly, damaged, noise_files

SECONDS = 2.0
PEAK_MIB = 1536
A_REQUEST = 32
READ = "--read-folder"


def main() -> None:
    """Run and print."""
    if sys.argv[1:2] == [READ]:
        read_all(Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with benchmark("torture_pictures", options) as result, tempfile.TemporaryDirectory() as name:
        home, folder = Path(name), Path(name) / "pictures"
        folder.mkdir()
        made = list(costly())
        for file, data in chain(made, damaged(options.count - len(made), options.seed)):
            (folder / f"{file}.png").write_bytes(data)  # the suffix says nothing to the reader
        settings = prepare(home, [], 100)
        speeds(result)
        decoder(result, folder)
        command(result, folder, settings)
        service(result, folder, settings)


def read_all(folder: Path) -> None:
    """In a process of its own: a line of JSON a picture, printed as soon as it is read."""
    from holotype.errors import BrokenImage
    from holotype.images.picture import read_picture
    from holotype.images.recipe import Recipe

    recipe = Recipe(224, 1.0, "bicubic", "center", (0.5,) * 3, (0.5,) * 3)
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        print(json.dumps({"file": file.name}), flush=True)
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        began = time.thread_time()
        try:
            read_picture(data, recipe)
            said = "read"
        except BrokenImage as error:
            said = error.reason
        seconds = time.thread_time() - began
        print(json.dumps([said, seconds, _memory("VmHWM") - before]), flush=True)


def _memory(what: str, process: int | str = "self") -> float:
    """MiB, by the kernel's account of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    return 0.0


def speeds(result: Result) -> None:
    """How long decoders take a pixel: noise, the dearest content; the bounds rest on these."""
    from holotype.images.decode import decode

    rows = []
    for name, data in noise_files().items():
        times = []
        for _ in range(3):
            began = time.process_time()
            decoded = decode(data)
            times.append(time.process_time() - began)
        ns = min(times) / (decoded.width * decoded.height) * 1e9
        rows.append({"file": name, "bytes a pixel": len(data) / 3e6, "ns a pixel": round(ns, 1)})
    result.table("decoding noise of 3 megapixels, all its threads", rows)


def decoder(result: Result, folder: Path) -> None:
    """Every picture by itself."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.torture.pictures", READ, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    names = [line["file"] for line in lines if isinstance(line, dict)]
    read = [line for line in lines if isinstance(line, list)]
    slowest = max(zip(read, names, strict=False), key=lambda one: one[0][1])
    largest = max(zip(read, names, strict=False), key=lambda one: one[0][2])
    result.table("what the decoder said", _rows(said for said, _, _ in read))
    crashed = "none" if not done.returncode else f"{done.returncode} at {names[-1]}"
    result.target("crashes of the decoder", reach="none", got=crashed, met=not done.returncode)
    result.target(
        "the slowest picture, s of a core",
        reach=f"at most {SECONDS}",
        got=f"{slowest[0][1]:.2f} ({slowest[1]})",
        met=slowest[0][1] <= SECONDS,
    )
    result.target(
        "the largest picture, MiB at the peak",
        reach=f"at most {PEAK_MIB}",
        got=f"{largest[0][2]:.0f} ({largest[1]})",
        met=largest[0][2] <= PEAK_MIB,
    )


def _rows(reasons: Iterator[str]) -> list[dict[str, Any]]:
    kinds = Counter(" ".join(said.split()[:2]) for said in reasons)
    return [{"outcome": kind, "pictures": n} for kind, n in kinds.most_common(25)]


def command(result: Result, folder: Path, settings: dict[str, str]) -> None:
    """`ingest add` of the whole folder."""
    report = folder.parent / "report.jsonl"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "ingest", "add", str(folder), "--label", "any",
         "--report", str(report)],
        env=os.environ | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    files = {path.name for path in folder.iterdir()}
    lines = report.read_text().splitlines() if report.exists() else []
    told = [json.loads(line) for line in lines]
    reported = {Path(line["source"]).name for line in told if "source" in line}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    outcomes = Counter(line["outcome"] for line in told if "outcome" in line)
    print(f"ingest add: {time.perf_counter() - began:.0f} s, {dict(outcomes)}", flush=True)
    fine = done.returncode in {0, 3} and "Traceback" not in done.stderr
    result.target(
        "the command's end",
        reach="exit code 0 or 3, no traceback",
        got=f"{done.returncode}" + ("" if fine else done.stderr[-400:]),
        met=fine,
    )
    result.target(
        "files without an outcome",
        reach="none",
        got=str(len(files - reported)),
        met=files == reported,
    )
    result.target(
        "the command's peak, MiB", reach="at most 4096", got=f"{peak:.0f}", met=peak <= 4096
    )


def service(result: Result, folder: Path, settings: dict[str, str]) -> None:
    """Every picture as a query."""
    odd: list[str] = []
    slowest = 0.0
    with serving(settings) as (url, process), httpx.Client(timeout=300) as client:
        files = sorted(folder.iterdir())
        for start in range(0, len(files), A_REQUEST):
            some = files[start : start + A_REQUEST]
            began = time.perf_counter()
            odd += _ask(client, url, some)
            slowest = max(slowest, time.perf_counter() - began)
        alive = client.get(f"{url}/healthz").status_code
        peak = _memory("VmHWM", process)
    print(f"the slowest request of {A_REQUEST}: {slowest:.1f} s", flush=True)
    result.target(
        "requests that did not end in results",
        reach="none",
        got=odd[0] if odd else "none",
        met=not odd,
    )
    result.target("the service afterwards", reach="200", got=str(alive), met=alive == 200)
    result.target(
        "the service's peak, MiB", reach="at most 4096", got=f"{peak:.0f}", met=peak <= 4096
    )


def _ask(client: httpx.Client, url: str, files: Sequence[Path]) -> list[str]:
    """What is wrong with the answer to one request."""
    sent = [("images", (file.name, file.read_bytes())) for file in files]
    if sum(len(data) for _, (_, data) in sent) > 60 * 2**20:
        half = len(files) // 2
        return _ask(client, url, files[:half]) + _ask(client, url, files[half:])
    answer = client.post(f"{url}/v1/classify", files=sent)
    if answer.status_code != 200:
        return [f"{answer.status_code} from {files[0].name} on: {answer.text[:200]}"]
    got = len(answer.json()["results"])
    return [] if got == len(files) else [f"{got} results for {len(files)} pictures"]


if __name__ == "__main__":
    main()
