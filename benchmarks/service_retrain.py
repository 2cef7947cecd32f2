"""Queries while the service retrains: the job in a process of its own, or in a thread.

    python -m benchmarks service_retrain [--references 20000]

The service of `classify serve`, EfficientNet-Lite0 at 224 px, over an embedded gallery of
random references. One client sends photos without a pause: while
nothing else happens, and during a retrain in each of the two ways.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.harness import benchmark
from benchmarks.photos import make_photos
from benchmarks.service_load import random_references
from demo.weights import BACKBONE, lite0_checkpoint

if TYPE_CHECKING:
    from classify.service.retraining import Job
    from classify.service.watched_job import Check
    from head.options import RetrainOptions
    from head.steps import Tell
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings
    from holotype.store.port import VectorStore

PATIENCE_S = 900.0


class InAThread:
    """The job as it would be without a process of its own."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store

    def run(self, options: RetrainOptions, tell: Tell, check: Check) -> Mapping[str, Any]:
        """Train in the calling thread."""
        from head.job import retrain

        return retrain(self._store, options, tell=tell, check=check).to_dict()

    def stop(self) -> None:
        """It cannot be ended."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=20_000)
    parser.add_argument("--photos", type=int, default=16)
    options = parser.parse_args()
    with benchmark("service_retrain", options) as result, tempfile.TemporaryDirectory() as name:
        from classify.service.training import TrainingProcess
        from holotype.encoder import load_encoder
        from holotype.settings import Settings
        from holotype.store.factory import open_store

        photos = [p.read_bytes() for p in make_photos(Path(name) / "photos", options.photos)]
        settings = Settings.load(
            home=Path(name) / "home",
            backbone=BACKBONE,
            checkpoint=lite0_checkpoint(Path(name)),
            image_size=224,
            device="cpu",
        )
        encoder = load_encoder(settings)
        with open_store(
            settings, fingerprint=encoder.fingerprint, command="service_retrain", create=True
        ) as store:
            for some in random_references(options.references, encoder.dimension):
                store.add(some)
            rows = []
            for way, job in (("process", TrainingProcess(store)), ("thread", InAThread(store))):
                with serving(store, encoder, settings, job) as url:
                    idle = asked(url, photos, until=time.perf_counter() + 8)
                    seconds, busy = during_a_retrain(url, photos)
                rows += [row("idle", idle, None), row(f"retrain in a {way}", busy, seconds)]
        result.table("one client's queries", rows)


@contextmanager
def serving(store: VectorStore, encoder: Encoder, settings: Settings, job: Job) -> Iterator[str]:
    """The service on a free port, in this process."""
    import uvicorn

    from classify.service.app import create_app
    from classify.service.command import bind, url_of
    from classify.service.service import Service
    from curate.apart import curate_apart

    service = Service(
        store=store,
        encoder=encoder,
        settings=settings,
        retrain=job,
        curate=partial(curate_apart, store),
    )
    listener = bind("127.0.0.1", 0)
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(create_app(service), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join()


def during_a_retrain(url: str, photos: list[bytes]) -> tuple[float, list[float]]:
    """Seconds of a retrain, and of every query meanwhile."""
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as http:
        began = time.perf_counter()
        http.post("/v1/retrain").raise_for_status()
        latencies: list[float] = []
        while (state := http.get("/v1/retrain").json())["state"] == "running":
            latencies += asked(url, photos, until=time.perf_counter() + 1)
        if state["error"]:
            raise RuntimeError(state["error"])
        return time.perf_counter() - began, latencies


def asked(url: str, photos: list[bytes], *, until: float) -> list[float]:
    """Seconds of each query that one client sends until then."""
    found: list[float] = []
    with httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False) as http:
        while (began := time.perf_counter()) < until:
            photo = photos[len(found) % len(photos)]
            http.post("/v1/classify", files=[("images", ("photo.jpg", photo))]).raise_for_status()
            found.append(time.perf_counter() - began)
    return found


def row(what: str, latencies: list[float], retrain_s: float | None) -> dict[str, Any]:
    """A line of the table."""
    ordered = sorted(latencies)
    return {
        "meanwhile": what,
        "queries": len(ordered),
        "p50 s": statistics.median(ordered),
        "p95 s": ordered[int(0.95 * (len(ordered) - 1))],
        "worst s": ordered[-1],
        "retrain s": "-" if retrain_s is None else round(retrain_s, 1),
    }


if __name__ == "__main__":
    main()
