"""Ingest of photos of 1 to 2 megapixels, against the loop that tutorials show.

    python -m benchmarks ingest [--images 64 --large-images 8] [--full] [--device cuda]

The loop: timm's dataset and transform, a DataLoader with 2 workers, batches of 32, fp32,
vectors kept in memory. Ours: `ingest add` as a function, into an embedded gallery, durable.
DINOv2 ViT-S/14 with random weights (the same file for both), at 224 and at 518 px. Each run is
a process of its own, in turns; loading the network, and one black picture through it, are not
counted on either side. `--full` is 300 photos at 224 px and 60 at 518 px.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import Result, Series, benchmark, busy_seconds
from benchmarks.photos import make_photos
from holotype.encoder.protocol import Encoder, UnderWay
from holotype.images.square import Pixels
from holotype.references import Vectors

BACKBONE = "vit_small_patch14_dinov2"
BATCH = 32
PEER_WORKERS = 2
SEED = 0
OURS, PEER = "ingest add", "the tutorial's loop"
WAYS = {"ours": OURS, "peer": PEER}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64, help="at 224 px")
    parser.add_argument("--large-images", type=int, default=8, help="at 518 px")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--batch-size", type=int, default=BATCH, help="of ours; 0: by device")
    parser.add_argument("--compile", action="store_true", help="ours")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options)))
        return
    if options.full:
        options.images, options.large_images = 300, 60
    with benchmark("ingest", options) as result, tempfile.TemporaryDirectory() as name:
        save_weights(options.backbone, Path(name) / "weights.safetensors")
        compare(result, options, Path(name), side=224, count=options.images, reach=1.25)
        compare(result, options, Path(name), side=518, count=options.large_images, reach=1.0)


def save_weights(backbone: str, file: Path) -> None:
    """Random weights: speed does not depend on them, and both sides read the same.

    Layer scale is 1: at the 1e-5 that it starts with no block would matter, nor would an error
    in one show in the vectors.
    """
    import torch
    from safetensors.torch import save_file

    from holotype.encoder.timm_import import timm

    torch.manual_seed(SEED)
    state = timm.create_model(backbone, num_classes=0).state_dict()
    for name in [name for name in state if name.endswith("gamma")]:
        state[name] = torch.ones_like(state[name])
    save_file(state, file)


def compare(
    result: Result,
    options: argparse.Namespace,
    scratch: Path,
    *,
    side: int,
    count: int,
    reach: float,
) -> None:
    """Both ways at one size."""
    folder = scratch / str(side)
    make_photos(folder / "images" / "photo", count)
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(options.rounds):
        for way in list(WAYS) if turn % 2 == 0 else list(reversed(WAYS)):
            runs[way].append(in_a_process(way, options, folder, side))
    series = {
        way: Series(
            tuple(run["seconds"] for run in found), tuple(run["processor"] for run in found)
        )
        for way, found in runs.items()
    }
    result.table(
        f"{count} photos of 1-2 megapixels, {options.backbone} at {side} px",
        [
            {
                "way": WAYS[way],
                "images/s": count / mine.p50,
                "processor s an image": mine.work / count,
                "x the loop": series["peer"].over(mine),
            }
            for way, mine in series.items()
        ],
    )
    speed = series["peer"].over(series["ours"])
    work = series["peer"].work_over(series["ours"])
    cosine = least_cosine(folder, folder)
    result.target(
        f"ingest at {side} px against the tutorial's loop",
        reach=f"at least {reach}x its images/s, cosine at least 0.999",
        got=f"{speed:.2f}x ({work:.2f}x by processor time), least cosine {cosine:.5f}",
        met=speed >= reach and cosine >= 0.999,
    )


def least_cosine(ours: Path, theirs: Path) -> float:
    """Of both ways' vectors of the photos that both folders have."""
    mine, yours = dict(np.load(ours / "ours.npz")), dict(np.load(theirs / "peer.npz"))
    return float(min(mine[name] @ yours[name] for name in mine.keys() & yours.keys()))


def in_a_process(
    way: str, options: argparse.Namespace, folder: Path, side: int
) -> dict[str, float]:
    """One run."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--measure", way]
    command += ["--folder", str(folder), "--side", str(side)]
    command += ["--device", options.device, "--backbone", options.backbone]
    command += ["--batch-size", str(options.batch_size), *["--compile"] * options.compile]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Run one way in this process; its vectors go to a file beside the photos."""
    work = {"ours": our_ingest, "peer": their_loop}[options.measure]
    found = work(options)
    np.savez(options.folder / f"{options.measure}.npz", **found.vectors)  # type: ignore[arg-type]
    return {"seconds": found.seconds, "processor": found.processor, "device": found.device}


class Found(NamedTuple):
    """What one run took and made."""

    seconds: float
    processor: float
    """Seconds of the processor, on all cores."""
    device: float
    """Seconds of the device alone; nan where nobody measured them."""
    vectors: dict[str, Vectors]
    """By file name."""


class Listening:
    """An encoder that keeps what it began with, to ask it for the device's seconds afterwards."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.begun: list[UnderWay] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """See `Encoder.begin`."""
        begun = self._encoder.begin(pixels)
        self.begun.append(begun)
        return begun


def our_ingest(options: argparse.Namespace) -> Found:
    """`ingest add` into an empty gallery."""
    from holotype.encoder import load_encoder
    from holotype.intake.folders import Folders
    from holotype.settings import Settings
    from holotype.store.factory import open_store
    from ingest.adding import add
    from ingest.opening import open_backend

    with tempfile.TemporaryDirectory(dir=options.folder) as home:
        settings = Settings.load(
            home=Path(home),
            backbone=options.backbone,
            checkpoint=options.folder.parent / "weights.safetensors",
            image_size=options.side,
            device=options.device,
            batch_size=options.batch_size or None,
            compile=options.compile,
        )
        loaded = load_encoder(settings)
        loaded.encode([np.zeros((options.side, options.side, 3), np.uint8)])  # loads a GPU's code
        encoder: Any = Listening(loaded)
        started, busy = time.perf_counter(), busy_seconds()
        with open_backend(settings, command="benchmark", load=lambda _: encoder) as backend:
            summary = add(Folders([options.folder / "images"]), backend)
        seconds, processor = time.perf_counter() - started, busy_seconds() - busy
        assert summary.failures == 0
        with open_store(settings, fingerprint=None, command="benchmark") as store:
            names = {
                r.id: Path(r.source).name for r in store.list_references(limit=10_000).references
            }
            vectors = {
                names[id_]: row
                for batch in store.export()
                for id_, row in zip(batch.ids, batch.vectors, strict=True)
            }
    return Found(seconds, processor, sum(begun.seconds for begun in encoder.begun), vectors)


def their_loop(options: argparse.Namespace) -> Found:
    """What a tutorial shows."""
    import torch

    from holotype.encoder.timm_import import timm

    device = "cuda" if torch.cuda.is_available() and options.device != "cpu" else "cpu"
    network: Any = timm.create_model(
        options.backbone,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(options.folder.parent / "weights.safetensors")},
        num_classes=0,
        img_size=options.side,
    )
    network = network.eval().to(device)
    config = timm.data.resolve_data_config(
        {"input_size": (3, options.side, options.side)}, model=network
    )
    dataset = timm.data.ImageDataset(
        str(options.folder / "images"), transform=timm.data.create_transform(**config)
    )
    with torch.inference_mode():
        network(torch.zeros(1, 3, options.side, options.side, device=device)).cpu()  # likewise
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, num_workers=PEER_WORKERS)
    started, busy = time.perf_counter(), busy_seconds()
    with torch.inference_mode():
        rows = [network(images.to(device)).cpu() for images, _ in loader]
    del loader  # its workers end, and their processor time is counted
    seconds, processor = time.perf_counter() - started, busy_seconds() - busy
    vectors = torch.nn.functional.normalize(torch.cat(rows), dim=1).numpy()
    names = [Path(dataset.filename(i)).name for i in range(len(dataset))]
    return Found(seconds, processor, math.nan, dict(zip(names, vectors, strict=True)))


if __name__ == "__main__":
    main()
