"""What does `ingest add` cost on top of the encoder?

    python -m benchmarks.ingest_overhead [--backbone vit|lite0] [--images 250] [--rounds 8]

Small JPEG files of noise are ingested into an empty embedded gallery, and the same encoder
embeds the same pictures, decoded and resized before, from memory. Both in one process, in
short turns whose order alternates (A B, B A, ...), because a virtual machine's speed drifts by
more than the few percent that are looked for; the ratio is the median of the turns' ratios.
Random weights serve for the ViT: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from holotype.encoder import load_encoder
from holotype.encoder.protocol import Encoder
from holotype.images.picture import read_picture
from holotype.images.square import Pixels
from holotype.intake.folders import Folders
from holotype.settings import Settings
from ingest.adding import add
from ingest.opening import open_backend

VIT = "vit_small_patch14_dinov2"


class Cost(NamedTuple):
    """Of one pass over all pictures."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", choices=["vit", "lite0"], default="vit")
    parser.add_argument("--images", type=int, default=250, help="a turn")
    parser.add_argument("--side", type=int, default=64, help="of the files, pixels")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        settings = Settings.load(
            image_size=options.image_size, **weights(options.backbone, scratch)
        )
        encoder = load_encoder(settings)
        files = make_files(scratch / "images" / "noise", options.images, options.side)
        pixels = [read_picture(file.read_bytes(), encoder.recipe).pixels for file in files]
        encoder.encode(pixels[: 2 * encoder.batch_size])  # warm up
        alone: list[Cost] = []
        ingest: list[Cost] = []
        for turn in range(options.rounds):
            target = settings.model_copy(update={"home": scratch / f"home{turn}"})
            works: list[tuple[list[Cost], Callable[[], None]]] = [
                (alone, lambda: embed_all(encoder, pixels)),
                (ingest, lambda t=target: ingest_all(encoder, files[0].parents[1], t)),
            ]
            for costs, work in works if turn % 2 == 0 else reversed(works):
                costs.append(timed(work))
    report(options, alone, ingest)


def weights(backbone: str, scratch: Path) -> dict[str, object]:
    """Settings of a backbone whose weights need no hub."""
    if backbone == "lite0":
        from demo.weights import BACKBONE, lite0_checkpoint

        return {"backbone": BACKBONE, "checkpoint": lite0_checkpoint(scratch)}
    from safetensors.torch import save_file

    from holotype.encoder.timm_import import timm

    network = timm.create_model(VIT, pretrained=False, num_classes=0)
    file = scratch / "vit.safetensors"
    save_file(network.state_dict(), file)
    return {"backbone": VIT, "checkpoint": file}


def make_files(folder: Path, count: int, side: int) -> list[Path]:
    """Different JPEG files."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    files = [folder / f"{n:05}.jpg" for n in range(count)]
    for file in files:
        coarse = random.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side)).save(file, quality=90)
    return files


def embed_all(encoder: Encoder, pixels: list[Pixels]) -> None:
    """The encoder alone."""
    for start in range(0, len(pixels), encoder.batch_size):
        encoder.encode(pixels[start : start + encoder.batch_size])


def ingest_all(encoder: Encoder, folder: Path, settings: Settings) -> None:
    """The whole job."""
    with open_backend(settings, command="benchmark", load=lambda _: encoder) as backend:
        summary = add(Folders([folder]), backend)
    assert summary.failures == 0


def timed(work: Callable[[], None]) -> Cost:
    """Seconds by the wall and of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def report(options: argparse.Namespace, alone: list[Cost], ingest: list[Cost]) -> None:
    """Print the table; write the JSON."""
    rows = {}
    for name, costs in (("encoder alone", alone), ("ingest", ingest)):
        wall = statistics.median(cost.wall_s for cost in costs)
        cpu = statistics.median(cost.cpu_s for cost in costs)
        rows[name] = {"images_per_s": options.images / wall, "cpu_ms": 1000 * cpu / options.images}
        print(
            f"{name:<14} {rows[name]['images_per_s']:8.2f} images/s "
            f"{rows[name]['cpu_ms']:8.2f} ms of processor an image"
        )
    speeds = sorted(a.wall_s / b.wall_s for a, b in zip(alone, ingest, strict=True))
    speed = statistics.median(speeds)
    work = statistics.median(a.cpu_s / b.cpu_s for a, b in zip(alone, ingest, strict=True))
    print(
        f"ingest runs at {speed:.1%} of the encoder's speed "
        f"({speeds[0]:.1%} to {speeds[-1]:.1%} in {len(speeds)} turns; processor time: {work:.1%})"
    )
    if options.out:
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        arguments = {key: str(value) for key, value in vars(options).items()}
        options.out.write_text(
            json.dumps(
                {"machine": machine, "options": arguments, "rows": rows, "speeds": speeds},
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
