"""The service under load: 64 clients against one that waits for each answer.

    python -m benchmarks service_load [--clients 64 --seconds 60 --alone-seconds 20]

`classify serve` in a process of its own, EfficientNet-Lite0 at 224 px, an embedded gallery of
real images and random references. Clients keep their connection and send one photo of 1 to 2
megapixels a request, without a pause. One client before and after the load, so that a machine
that changes meanwhile shows. Requests are made before the clock starts, so that the clients
take next to nothing of the processor that the service works with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.harness import Result, benchmark
from benchmarks.photos import make_photos
from demo.weights import BACKBONE, lite0_checkpoint

SIDE = 224
CLASSES = 8
TARGET = 2.5
METRIC = re.compile(
    r'^holotype_(step_seconds|batch_size)_(sum|count)\{step="(\w+)"\} (\S+)$', re.MULTILINE
)


@dataclass(slots=True)
class Phase:
    """What one number of clients saw."""

    clients: int
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    answers: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)
    """By photo."""
    processor_s: float = 0.0
    """Of the service, user and system."""
    clients_s: float = 0.0
    """The same of the clients."""
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--alone-seconds", type=float, default=20)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--references", type=int, default=10_000)
    options = parser.parse_args()
    with benchmark("service_load", options) as result, tempfile.TemporaryDirectory() as name:
        photos = make_photos(Path(name) / "photos", options.photos)
        settings = prepare(Path(name), photos, options.references)
        with serving(settings) as (url, process):
            load = Load(url, process, [photo.read_bytes() for photo in photos])
            load.run(clients=1, seconds=5)
            before = load.run(clients=1, seconds=options.alone_seconds / 2)
            many = load.run(clients=options.clients, seconds=options.seconds)
            after = load.run(clients=1, seconds=options.alone_seconds / 2)
        report(result, [before, many, after])


def prepare(home: Path, photos: Sequence[Path], references: int) -> dict[str, str]:
    """A gallery of every second photo and of random references; the service's environment."""
    from holotype.encoder import load_encoder
    from holotype.intake.batch import Intake
    from holotype.intake.incoming import Incoming
    from holotype.settings import Settings
    from holotype.store.factory import open_store

    checkpoint = lite0_checkpoint(home)
    settings = Settings.load(
        home=home / "home", backbone=BACKBONE, checkpoint=checkpoint, image_size=SIDE, device="cpu"
    )
    encoder = load_encoder(settings)
    with open_store(
        settings, fingerprint=encoder.fingerprint, command="service_load", create=True
    ) as store:
        Intake(store, encoder).add(
            [
                Incoming(photo.name, f"class {n % CLASSES}", data=photo.read_bytes())
                for n, photo in enumerate(photos)
                if n % 2
            ]
        )
        for some in random_references(references, encoder.dimension):
            store.add(some)
    return {
        "HOLOTYPE_HOME": str(settings.home),
        "HOLOTYPE_BACKBONE": BACKBONE,
        "HOLOTYPE_CHECKPOINT": str(checkpoint),
        "HOLOTYPE_IMAGE_SIZE": str(SIDE),
        "HOLOTYPE_DEVICE": "cpu",
    }


def random_references(total: int, dimension: int) -> Iterator[list[Any]]:
    """References that make the search as costly as in a gallery of that size."""
    import hashlib

    from holotype.references import EmbeddedReference, Reference, reference_id

    random = np.random.default_rng(0)
    numbers = iter(range(total))
    while some := list(islice(numbers, 1000)):
        rows = random.normal(size=(len(some), dimension)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        hashes = [hashlib.sha256(str(n).encode()).hexdigest() for n in some]
        yield [
            EmbeddedReference(
                Reference(
                    reference_id(sha256), f"class {n % CLASSES}", sha256, str(n), 1, 1, "2026-01-01"
                ),
                row,
            )
            for n, sha256, row in zip(some, hashes, rows, strict=True)
        ]


@contextmanager
def serving(settings: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """`classify serve` on a free port: its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "classify", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | dict(settings),
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"serving gallery .* at (http://\S+)", line):
                yield found[1], process.pid
                break
        else:
            raise RuntimeError("the service did not start")
    finally:
        process.terminate()
        process.wait()


class Load:
    """Clients that send photos to one service."""

    def __init__(self, url: str, process: int, photos: Sequence[bytes]) -> None:
        self._url = httpx.URL(url)
        self._process = process
        self._requests = [_request(url, photo) for photo in photos]

    def run(self, *, clients: int, seconds: float) -> Phase:
        """So many clients for so long; answers that are under way at the end still count."""
        phase = Phase(clients)
        before, busy = self._metrics(), processor_seconds(self._process)
        own = time.process_time()
        began = time.perf_counter()
        asyncio.run(self._all(phase, began + seconds))
        phase.seconds = time.perf_counter() - began
        phase.clients_s = time.process_time() - own
        phase.processor_s = processor_seconds(self._process) - busy
        after = self._metrics()
        phase.steps = {name: after[name] - before.get(name, 0.0) for name in after}
        return phase

    async def _all(self, phase: Phase, until: float) -> None:
        turns = count()
        await asyncio.gather(*(self._client(phase, until, turns) for _ in range(phase.clients)))

    async def _client(self, phase: Phase, until: float, turns: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection(self._url.host, self._url.port)
        while time.perf_counter() < until:
            photo = next(turns) % len(self._requests)
            began = time.perf_counter()
            writer.write(self._requests[photo])
            await writer.drain()
            status, body = await _response(reader)
            if status != 200:
                phase.errors.append(f"{status}: {body[:200]!r}")
                continue
            phase.latencies.append(time.perf_counter() - began)
            phase.answers.setdefault(photo, []).append(json.loads(body)["results"][0]["answer"])
        writer.close()
        await writer.wait_closed()

    def _metrics(self) -> dict[str, float]:
        page = httpx.get(self._url.join("/metrics"), timeout=60).text
        wanted = METRIC.findall(page)
        return {f"{kind} {step} {what}": float(value) for kind, what, step, value in wanted}


def _request(url: str, photo: bytes) -> bytes:
    request = httpx.Request(
        "POST", f"{url}/v1/classify", files=[("images", ("photo.jpg", photo))], data={"k": "20"}
    )
    body = request.read()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return b"POST /v1/classify HTTP/1.1\r\n" + head.encode() + b"\r\n" + body


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    return int(head.split(b" ", 2)[1]), await reader.readexactly(int(length[1]))


def processor_seconds(process: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(result: Result, phases: Sequence[Phase]) -> None:
    """The table, where the time goes, and what was to be reached."""
    result.table("requests of one photo", [_row(phase) for phase in phases])
    result.table("where the time goes, ms", [_steps(phase) for phase in phases])
    before, many, after = phases
    ratio = many.throughput / statistics.mean([before.throughput, after.throughput])
    errors = [error for phase in phases for error in phase.errors]
    result.target("errors", reach="none", got=errors[0] if errors else "none", met=not errors)
    same, largest = compare([before, after], many)
    result.target(
        "answers under load against answers alone",
        reach="the same labels and neighbours",
        got=f"{same}, scores and similarities within {largest:.1e}",
        met=same == "all the same",
    )
    result.target(
        f"throughput with {many.clients} clients against one",
        reach=f"at least {TARGET}x",
        got=f"{ratio:.2f}x",
        met=ratio >= TARGET,
    )


def _row(phase: Phase) -> dict[str, Any]:
    answers = len(phase.latencies)
    return {
        "clients": phase.clients,
        "seconds": phase.seconds,
        "answers": answers,
        "errors": len(phase.errors),
        "answers/s": phase.throughput,
        "p50 s": phase.percentile(0.5),
        "p95 s": phase.percentile(0.95),
        "processor ms an answer": 1000 * phase.processor_s / max(answers, 1),
        "cores busy": phase.processor_s / phase.seconds,
        "with the clients": (phase.processor_s + phase.clients_s) / phase.seconds,
    }


def _steps(phase: Phase) -> dict[str, Any]:
    answers = len(phase.latencies)
    row: dict[str, Any] = {"clients": phase.clients}
    for step in ("decode", "encode", "search", "vote"):
        row[f"{step} an image"] = 1000 * phase.steps[f"step_seconds {step} sum"] / answers
    batches = phase.steps["batch_size encode count"]
    row["images a batch"] = phase.steps["batch_size encode sum"] / batches
    return row


def compare(alone: Sequence[Phase], many: Phase) -> tuple[str, float]:
    """Whether every answer under load is the one that the photo got alone, and how nearly."""
    expected = {photo: answers[0] for phase in alone for photo, answers in phase.answers.items()}
    differing, largest = 0, 0.0
    for photo, answers in many.answers.items():
        for answer in answers if photo in expected else ():
            one = expected[photo]
            differing += _named(answer) != _named(one)
            largest = max(largest, *_distances(answer, one))
    return ("all the same" if not differing else f"{differing} differ"), largest


def _named(answer: Mapping[str, Any]) -> tuple[Any, ...]:
    return (answer["label"], *(neighbour["id"] for neighbour in answer["neighbours"]))


def _distances(answer: Mapping[str, Any], other: Mapping[str, Any]) -> list[float]:
    pairs = zip(answer["neighbours"], other["neighbours"], strict=False)
    similarities = [abs(a["similarity"] - b["similarity"]) for a, b in pairs]
    return [abs(answer["score"] - other["score"]), *similarities]


if __name__ == "__main__":
    main()
