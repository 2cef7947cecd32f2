"""How long one waits: for `--help`, for one cold query, for a query through a service.

    python -m benchmarks startup [--rounds 3] [--cold-only]

Real weights (EfficientNet-Lite0 at 224 px) on a small gallery; the cold query also with the
default backbone at the same size, with random weights: from its export and with torch, in turns, on
the processor. It is split by `benchmarks.cold_query`. Bytecode is kept, as after any installation.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.cold_query import Laps
from benchmarks.harness import Result, benchmark, busy_seconds, in_turns
from benchmarks.ingest import save_weights
from benchmarks.photos import make_photos
from demo.weights import BACKBONE, lite0_checkpoint
from holotype.settings import DEFAULT_BACKBONE

REFERENCES = 12

WAYS = {"ONNX Runtime": "on", "torch": "off"}
"""What runs the encoder, and the setting for it (HOLOTYPE_ONNX)."""

REACH_S = {BACKBONE: 0.9, DEFAULT_BACKBONE: 1.2}
"""A cold query with ONNX Runtime, by the wall."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold-only", action="store_true", help="only the cold query")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with benchmark("startup", options) as result, tempfile.TemporaryDirectory() as name:
        if not options.cold_only:
            help_text(result, 3 * options.rounds)
        photos = make_photos(Path(name) / "photos", REFERENCES)
        for backbone in (DEFAULT_BACKBONE, BACKBONE):  # the service has the settings of the last
            fill(Path(name) / backbone, photos[0].parent, backbone)
            cold_query(result, backbone, photos[0], options.rounds)
        if not options.cold_only:
            through_service(result, photos, options.rounds)


def help_text(result: Result, rounds: int) -> None:
    """`classify --help` beside an interpreter that does nothing."""
    series = in_turns(
        {
            "python -c pass": lambda _: run("-c", "pass"),
            "classify --help": lambda _: run("-m", "classify", "--help"),
        },
        rounds=rounds,
    )
    result.table(
        "Starting",
        [
            {
                "command": name,
                "p50 s": mine.p50,
                "fastest s": min(mine.seconds),
                "processor s": mine.work,
                "x python": mine.over(series["python -c pass"]),
            }
            for name, mine in series.items()
        ],
    )
    help_ = series["classify --help"]
    result.target(
        "classify --help",
        reach="at most 0.35 s",
        got=f"{help_.p50:.2f} s (fastest {min(help_.seconds):.2f} s, processor {help_.work:.2f} s)",
        met=help_.p50 <= 0.35,
    )


def fill(folder: Path, photos: Path, backbone: str) -> None:
    """A gallery with these photos, and the settings of it in the environment; its export."""
    from holotype.encoder.build import build_encoder
    from holotype.encoder.exports import export_path
    from holotype.encoder.onnx_export import export_onnx
    from holotype.gallery_encoder import remember
    from holotype.intake.folders import Folders
    from holotype.settings import Settings
    from ingest.adding import add
    from ingest.opening import open_backend

    folder.mkdir()
    os.environ |= {
        "HOLOTYPE_HOME": str(folder / "home"),
        "HOLOTYPE_BACKBONE": backbone,
        "HOLOTYPE_CHECKPOINT": str(checkpoint_of(backbone, folder)),
        "HOLOTYPE_IMAGE_SIZE": "224",
        "HOLOTYPE_DEVICE": "cpu",
    }
    settings = Settings.load()
    encoder = build_encoder(settings)
    with open_backend(settings, command="benchmark", load=lambda _: encoder) as backend:
        add(Folders([photos], label="photo"), backend)
    remember(settings, encoder.fingerprint)
    export = export_path(settings.home, encoder.fingerprint)
    export.parent.mkdir()
    export_onnx(encoder, export)


def checkpoint_of(backbone: str, folder: Path) -> Path:
    """The real weights where there are some."""
    if backbone == BACKBONE:
        return lite0_checkpoint(folder)
    save_weights(backbone, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def cold_query(result: Result, backbone: str, photo: Path, rounds: int) -> None:
    """The command as a user runs it, and its steps, both ways in turns."""
    runs: dict[str, list[Laps]] = {way: [] for way in WAYS}
    series = in_turns(
        {f"command, {way}": partial(cold_command, way, photo) for way in WAYS}
        | {f"steps, {way}": partial(cold_run, way, photo, runs[way]) for way in WAYS},
        rounds=rounds,
    )
    for way, ran in runs.items():
        whole = series[f"command, {way}"]
        rows = [
            {
                "step": step,
                "p50 s": statistics.median(one[step][0] for one in ran[1:]),  # the first warmed
                "processor s": statistics.median(one[step][1] for one in ran[1:]),
            }
            for step in ran[0]
        ]
        rows.append(
            {"step": "`classify query` as a whole", "p50 s": whole.p50, "processor s": whole.work}
        )
        result.table(f"One cold query, no service, {backbone}, {way}", rows)
    quick, slow = (series[f"command, {way}"] for way in WAYS)
    result.target(
        f"cold query, {backbone}",
        reach=f"at most {REACH_S[backbone]} s",
        got=f"{quick.p50:.2f} s (fastest {min(quick.seconds):.2f} s, processor {quick.work:.2f} s; "
        f"{quick.over(slow):.2f} of torch's seconds, {quick.work_over(slow):.2f} of its processor)",
        met=quick.p50 <= REACH_S[backbone],
    )


def cold_command(way: str, photo: Path, _: int) -> None:
    """As a user runs it."""
    os.environ["HOLOTYPE_ONNX"] = WAYS[way]
    run("-m", "classify", "query", str(photo), "--json")


def cold_run(way: str, photo: Path, runs: list[Laps], _: int) -> None:
    """The steps, in a fresh process, and what is around them."""
    os.environ["HOLOTYPE_ONNX"] = WAYS[way]
    started, busy = time.perf_counter(), busy_seconds()
    steps: Laps = json.loads(run("-m", "benchmarks.cold_query", str(photo)))
    seconds, processor = time.perf_counter() - started, busy_seconds() - busy
    around = (
        seconds - sum(wall for wall, _ in steps.values()),
        processor - sum(work for _, work in steps.values()),
    )
    runs.append(steps | {"start and end of the process": around})


def through_service(result: Result, photos: list[Path], rounds: int) -> None:
    """A query through a running service beside the encoder's forward pass."""
    from holotype.encoder import load_encoder
    from holotype.images.picture import read_picture
    from holotype.settings import Settings
    from holotype.store.factory import open_store
    from tests.running import running

    settings = Settings.load()
    encoder = load_encoder(settings)
    files = [photo.read_bytes() for photo in photos]
    pixels = [read_picture(data, encoder.recipe).pixels for data in files]
    store = open_store(settings, fingerprint=encoder.fingerprint, command="benchmark")
    with store, running(store, encoder=encoder) as service:

        def query(i: int) -> None:
            form = {"images": (f"{i}.jpg", files[i % len(files)], "image/jpeg")}
            service.http.post("/v1/classify", files=form).raise_for_status()

        series = in_turns(
            {
                "forward pass": lambda i: encoder.encode([pixels[i % len(pixels)]]),
                "decode and resize": lambda i: read_picture(files[i % len(files)], encoder.recipe),
                "query through the service": query,
            },
            rounds=10 * rounds,
            warm=3,
        )
    rows = [
        {
            "what": name,
            "p50 ms": 1000 * mine.p50,
            "fastest ms": 1000 * min(mine.seconds),
            "processor ms": 1000 * mine.work,
        }
        for name, mine in series.items()
    ]
    result.table("A query through a running service, photos of 1-2 megapixels", rows)
    whole, forward = series["query through the service"], series["forward pass"]
    on_top = statistics.median(a - b for a, b in zip(whole.seconds, forward.seconds, strict=True))
    quiet = min(whole.seconds) - min(forward.seconds)
    result.target(
        "query through the service, on top of the forward pass",
        reach="at most 30 ms",
        got=f"{1000 * on_top:.0f} ms (fastest runs: {1000 * quiet:.0f} ms)",
        met=on_top <= 0.030,
    )


def run(*arguments: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
