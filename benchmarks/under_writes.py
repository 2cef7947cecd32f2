"""Queries while a class is being added: their time as a ratio to that of a gallery at rest.

    python -m benchmarks under_writes [--seconds 30 --references 5000 --clients 8]

One thread adds batches to a class that the head has never seen, without a pause, while others
ask in all three modes in turn; before and after it they ask alone. Once in this process, where
all share one interpreter, and once through HTTP, with the service in a process of its own. The
encoder is a fixed projection of small pictures, which takes next to no time: what is compared
are the store and the answers. Pictures are made before the clock starts, as far as they last.
"""

from __future__ import annotations

import argparse
import io
import itertools
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.harness import Result, benchmark
from classify.answering.modes import Mode
from holotype.encoder.protocol import Ended, UnderWay
from holotype.fingerprint import Fingerprint
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import EmbeddedReference, Reference, Vectors, reference_id
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore

SIDE, DIMENSION, CLASSES = 16, 384, 50
NOISE = 90
"""Grey levels between pictures of a class: neighbours and head find it, and not always."""
BATCH = 32
MADE = 400
"""Batches that are made before the clock starts."""
TARGET = 1.5
"""How many times the p95 at rest the p95 under writes may be."""


class PatternEncoder:
    """Projects the pixels of a small picture: instantly, and without torch."""

    def __init__(self) -> None:
        half = (0.5, 0.5, 0.5)
        self.recipe = Recipe(SIDE, 1.0, "bilinear", "center", half, half)
        self.dimension, self.device, self.batch_size = DIMENSION, "cpu", 32
        self._projection = np.random.default_rng(0).normal(size=(SIDE * SIDE * 3, DIMENSION))
        self.fingerprint = Fingerprint(
            backbone="pattern",
            weights_sha256="0" * 64,
            image_size=SIDE,
            preprocessing=self.recipe.describe(),
            pooling="mean",
            normalisation="l2",
            dimension=DIMENSION,
        )

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """See `Encoder.begin`."""
        started = time.monotonic()
        return Ended(self.encode(pixels), time.monotonic() - started)

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """See `Encoder.encode`."""
        rows = (np.stack(pixels).reshape(len(pixels), -1) / 127.5 - 1) @ self._projection
        unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


def picture(kind: int, number: int) -> npt.NDArray[np.uint8]:
    """(S, S, 3) a picture of a class."""
    pattern = np.random.default_rng([kind]).normal(128, 40, size=(SIDE, SIDE, 3))
    noise = np.random.default_rng([kind, number]).normal(0, NOISE, size=pattern.shape)
    return np.clip(pattern + noise, 0, 255).astype(np.uint8)


def png(kind: int, number: int) -> bytes:
    """The same as a file."""
    file = io.BytesIO()
    Image.fromarray(picture(kind, number)).save(file, "PNG", compress_level=1)
    return file.getvalue()


@dataclass(slots=True)
class Phase:
    """What the clients saw for a while."""

    seconds: dict[Mode, list[float]] = field(default_factory=lambda: {mode: [] for mode in Mode})
    errors: Counter[str] = field(default_factory=Counter)
    added: int = 0

    def p(self, share: float, *modes: Mode) -> float:
        """Milliseconds within which this share of the answers came."""
        times = sorted(itertools.chain.from_iterable(self.seconds[m] for m in modes or Mode))
        return 1000 * times[int(share * (len(times) - 1))]


@dataclass(frozen=True, slots=True)
class Side:
    """One way to ask and to add."""

    ask: Callable[[Mode, int], None]
    """Raises unless it is answered."""
    batches: Iterator[Any]
    """What can be added: no end of it."""
    add: Callable[[Any], None]

    def run(self, *, clients: int, seconds: float, writing: bool = False) -> Phase:
        """Ask for a while; somebody adds meanwhile, or nobody."""
        phase, until = Phase(), time.monotonic() + seconds

        def ask(client: int) -> None:
            for turn in itertools.count(client):
                if time.monotonic() >= until:
                    return
                mode, began = list(Mode)[turn % 3], time.perf_counter()
                try:
                    self.ask(mode, turn)
                except Exception as error:  # noqa: BLE001  any of them is a finding
                    phase.errors[f"{type(error).__name__}: {error}"[:100]] += 1
                phase.seconds[mode].append(time.perf_counter() - began)

        def add() -> None:
            while writing and time.monotonic() < until:
                self.add(next(self.batches))
                phase.added += BATCH

        with ThreadPoolExecutor(clients + 1) as threads:
            adding = threads.submit(add)
            list(threads.map(ask, range(clients)))
            adding.result()
        return phase


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rest-seconds", type=float, default=10)
    parser.add_argument("--references", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return
    with benchmark("under_writes", options) as result, tempfile.TemporaryDirectory() as home:
        settings = Settings.load(home=Path(home))
        encoder = PatternEncoder()
        with open_store(
            settings, fingerprint=encoder.fingerprint, command="benchmark", create=True
        ) as store:
            fill(store, encoder, options.references)
            report(result, "in this process", measure(here(store, encoder), options))
        with serving(Path(home)) as url, httpx.Client(base_url=url, timeout=60) as http:
            report(result, "through HTTP", measure(over_http(http), options))


def fill(store: VectorStore, encoder: PatternEncoder, n: int) -> None:
    """A gallery of all classes with a head."""
    from head.job import retrain

    for start in range(0, n, 512):
        numbers = range(start, min(start + 512, n))
        store.add([reference(encoder, number % CLASSES, number) for number in numbers])
    retrain(store)


def reference(encoder: PatternEncoder, kind: int, number: int) -> EmbeddedReference:
    """A picture as a reference."""
    sha256 = f"{kind:032x}{number:032x}"
    described = Reference(
        id=reference_id(sha256),
        label=f"class {kind}",
        sha256=sha256,
        source=f"{kind}/{number}.png",
        width=SIDE,
        height=SIDE,
        added_at="2026-01-01T00:00:00+00:00",
    )
    return EmbeddedReference(described, encoder.encode([picture(kind, number)])[0])


def here(store: VectorStore, encoder: PatternEncoder) -> Side:
    """The classifier and the store, without a service."""
    from classify.answering.classifier import Classifier
    from classify.answering.options import QueryOptions

    classifier = Classifier(store)
    queries = encoder.encode([picture(n % CLASSES, 10**6 + n) for n in range(1000)])

    def ask(mode: Mode, turn: int) -> None:
        row = turn % len(queries)
        classifier.classify(queries[row : row + 1], QueryOptions(mode=mode))

    batches = batched(lambda number: reference(encoder, CLASSES, number))
    return Side(ask, batches, store.add)


def over_http(http: httpx.Client) -> Side:
    """A running service."""
    queries = [png(n % CLASSES, 10**6 + n) for n in range(200)]

    def ask(mode: Mode, turn: int) -> None:
        files = {"images": ("q.png", queries[turn % len(queries)])}
        http.post("/v1/classify", files=files, data={"mode": mode.value}).raise_for_status()

    def add(files: Sequence[tuple[str, tuple[str, bytes]]]) -> None:
        answer = http.post("/v1/references", files=files, data={"label": f"class {CLASSES + 1}"})
        answer.raise_for_status()
        assert {o["outcome"] for o in answer.json()["outcomes"]} == {"added"}

    batches = batched(lambda number: ("images", (f"{number}.png", png(CLASSES + 1, number))))
    return Side(ask, batches, add)


def batched(make: Callable[[int], Any]) -> Iterator[list[Any]]:
    """Batches without end, the first of them made now."""
    numbers = itertools.count()
    made = [[make(next(numbers)) for _ in range(BATCH)] for _ in range(MADE)]
    return itertools.chain(
        made, ([make(next(numbers)) for _ in range(BATCH)] for _ in itertools.count())
    )


def measure(side: Side, options: argparse.Namespace) -> list[Phase]:
    """At rest, under writes, at rest."""
    side.run(clients=options.clients, seconds=2)
    rest = {"clients": options.clients, "seconds": options.rest_seconds}
    before = side.run(**rest)
    writing = side.run(clients=options.clients, seconds=options.seconds, writing=True)
    return [before, writing, side.run(**rest)]


def report(result: Result, title: str, phases: Sequence[Phase]) -> None:
    """Print and judge."""
    before, writing, after = phases
    rows = []
    for name, phase in (("at rest", before), ("a class is added", writing), ("at rest", after)):
        row: dict[str, Any] = {"phase": name, "references added": phase.added}
        row["answers"] = sum(map(len, phase.seconds.values()))
        row["errors"] = phase.errors.total()
        row |= {"p50 ms": phase.p(0.5), "p95 ms": phase.p(0.95), "most ms": phase.p(1)}
        row |= {f"p95 {mode.value}": phase.p(0.95, mode) for mode in Mode}
        rows.append(row)
    result.table(title, rows)
    for error, n in writing.errors.items():
        print(f"{n} times {error}", flush=True)
    ratio = 2 * writing.p(0.95) / (before.p(0.95) + after.p(0.95))
    result.target(
        f"p95 while a class is added, {title}",
        reach=f"at most {TARGET} times that at rest, no error",
        got=f"{ratio:.2f} times, {writing.errors.total()} errors",
        met=ratio <= TARGET and not writing.errors,
    )


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """The service in a process of its own; its URL."""
    command = [sys.executable, "-m", "benchmarks.under_writes", "--serve", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def serve(home: Path) -> None:
    """Serve until a signal ends it; the first line on standard output is the URL."""
    import uvicorn

    from classify.service.app import create_app
    from classify.service.command import bind, url_of
    from classify.service.service import Service
    from classify.service.training import TrainingProcess
    from curate.apart import curate_apart

    encoder = PatternEncoder()
    settings = Settings.load(home=home)
    with (
        bind("127.0.0.1", 0) as listener,
        open_store(settings, fingerprint=encoder.fingerprint, command="benchmark") as store,
    ):
        app = create_app(
            Service(
                store=store,
                encoder=encoder,
                settings=settings,
                retrain=TrainingProcess(store),
                curate=partial(curate_apart, store),
            )
        )
        listener.listen(128)
        print(url_of(listener), flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listener])


if __name__ == "__main__":
    main()
