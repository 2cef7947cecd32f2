"""What a GPU gives: its own limit, the forward pass, decoding, and the whole ingest.

    python -m benchmarks gpu [--backbones NAME ... --sides 224 518] [--only forward]

- The limit: the best of a few large square products, in the arithmetic that the encoder uses.
- The forward pass alone, of random weights, plain, compiled and as a CUDA graph: share of that
  limit, by the operations that a picture really takes (`on_gpu/flops.py`).
- JPEG files to squares: in 1, half of and all cores' threads, and by nvJPEG where it is there.
- `ingest add` from JPEG files, against the tutorial's loop, each in a process of its own; which
  of processor and device was busy. The loop gets fewer photos, being slower.

On an H100 with 16 cores it is meant to take under 10 minutes; what `--minutes` leave no time for
is left out and named. Without CUDA it ends with exit code 2, unless `--device cpu` is given, which
is for trying it out: small settings, no figure of which means anything.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import ingest
from benchmarks.harness import Result, benchmark
from benchmarks.photos import make_photos

BACKBONES = tuple(f"vit_{size}_patch14_dinov2" for size in ("small", "base", "large"))
SIDES = (518, 224)
BATCHES = (32, 128)
PARTS = ("forward", "decode", "whole")
WAYS = ("eager", "graph", "compiled", "compiled+graph")
LIMIT_SIZES = (4096, 8192, 16384)

SPEED_REACH = {("vit_small_patch14_dinov2", 518): 8.0}
"""Times the loop's images/s, by backbone and size; 1 for the others."""
LIMIT_REACH = 0.4
"""Share of the matrix limit, of every forward pass run the best way."""
COSINE_REACH = 0.999


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    options = parse(arguments)
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "this benchmark needs a CUDA device, and torch finds none here: run it where there is "
            "one, or try it out with --device cpu and small settings",
            file=sys.stderr,
        )
        return 2
    with benchmark("gpu", options) as result, tempfile.TemporaryDirectory() as name:
        if options.device == "cuda":
            result.machine["device"] = torch.cuda.get_device_name()
            print(f"\ndevice: {result.machine['device']}", flush=True)
        Measuring(result, options, Path(name)).run()
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES, help="pixels")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, help="forward only")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="forward only")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--limit-sizes", nargs="+", type=int, default=LIMIT_SIZES)
    parser.add_argument("--photos", type=int, default=2048, help="for ours")
    parser.add_argument("--peer-photos", type=int, default=1024, help="for the loop")
    parser.add_argument("--compile", action="store_true", help="ours, in the whole job")
    parser.add_argument("--minutes", type=float, default=9.5, help="begin nothing after these")
    return parser.parse_args(arguments)


class Measuring:
    """One run of the benchmark."""

    def __init__(self, result: Result, options: argparse.Namespace, scratch: Path) -> None:
        self._result = result
        self._options = options
        self._scratch = scratch
        self._ends = time.monotonic() + 60 * options.minutes
        self._left_out: list[dict[str, str]] = []

    def run(self) -> None:
        """Every part that was asked for."""
        options = self._options
        for backbone in options.backbones:
            (self._scratch / backbone).mkdir()
            ingest.save_weights(backbone, self._weights(backbone))
        cores = os.cpu_count() or 1
        count = max(options.photos, options.peer_photos)
        photos = make_photos(
            self._scratch / "photos", count, processes=min(cores, 16, 1 + count // 64)
        )
        if "decode" in options.only:
            self._decode(photos, sorted({1, max(1, cores // 2), cores}))
        if "whole" in options.only:
            self._whole(photos)
        if "forward" in options.only:
            self._forward(photos)
        if self._left_out:
            self._result.table(f"left out after {options.minutes:g} minutes", self._left_out)

    def _forward(self, photos: list[Path]) -> None:
        import torch

        from benchmarks.on_gpu.forward import matrix_limit

        options = self._options
        device = torch.device(options.device)
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        limits = matrix_limit(device, dtype, options.limit_sizes)
        self._result.table("the limit: square matrix products", limits)
        limit = max(row["TFLOP/s"] for row in limits)
        ways = [way for way in options.ways if "graph" not in way or device.type == "cuda"]
        plain = [way for way in ways if "compiled" not in way]
        # What takes a minute to compile comes last, so that it is what may be left out.
        rows = self._forwards(photos, plain, options.batches, limit)
        compiled = [way for way in ways if way not in plain]
        rows += self._forwards(photos, compiled, options.batches[-1:], limit)
        if not rows:
            return
        self._result.table("forward only, all tokens of all blocks counted", rows)
        for backbone in options.backbones:
            for side in options.sides:
                self._forward_target(
                    [r for r in rows if (r["backbone"], r["px"]) == (backbone, side)]
                )

    def _forwards(
        self, photos: list[Path], ways: list[str], batches: Sequence[int], limit: float
    ) -> list[dict[str, Any]]:
        from benchmarks.on_gpu.forward import Forwards

        options = self._options
        rows: list[dict[str, Any]] = []
        for side in options.sides if ways else ():
            for backbone in options.backbones:
                if not self._time_for(f"forward: {', '.join(ways)}", backbone, side):
                    continue
                weights = self._weights(backbone)
                of = Forwards.load(backbone, weights, side, options.device, photos)
                for batch in batches:
                    for row in of.rows(ways, batch, limit):
                        rows.append(row)
                        print(_in_short(row), file=sys.stderr, flush=True)
        return rows

    def _forward_target(self, rows: list[dict[str, Any]]) -> None:
        good = [row for row in rows if not math.isnan(row["images/s"])]
        if not good:
            return
        best = max(good, key=lambda row: row["images/s"])
        cosine = min(float(row["least cosine to fp32"]) for row in good)
        self._result.target(
            f"forward only, {best['backbone']} at {best['px']} px",
            reach=f"at least {LIMIT_REACH:.0%} of the matrix limit, cosine at least {COSINE_REACH}",
            got=f"{best['of the limit']:.1%} ({best['way']}, batch {best['batch']}), "
            f"least cosine {cosine:.5f}",
            met=best["of the limit"] >= LIMIT_REACH and cosine >= COSINE_REACH,
        )

    def _decode(self, photos: list[Path], threads: list[int]) -> None:
        from benchmarks.on_gpu.decoding import decoding_rows
        from benchmarks.on_gpu.forward import encoder_of
        from holotype.settings import Precision

        options = self._options
        backbone = options.backbones[0]
        files = [photo.read_bytes() for photo in photos[: max(64, options.photos // 4)]]
        rows: list[dict[str, Any]] = []
        for side in options.sides:
            if self._time_for("decode", backbone, side):
                encoder = encoder_of(
                    backbone, self._weights(backbone), side, options.device, Precision.AUTO
                )
                rows += decoding_rows(files, encoder, threads)
        if rows:
            self._result.table("JPEG files of 1-2 megapixels to squares, nothing else", rows)

    def _whole(self, photos: list[Path]) -> None:
        from benchmarks.on_gpu.whole import whole_job

        options = self._options
        rows: list[dict[str, Any]] = []
        speeds: list[tuple[str, int, float, float]] = []
        for side in options.sides:
            for backbone in options.backbones:
                if not self._time_for("whole job", backbone, side):
                    continue
                folder = self._weights(backbone).parent
                found, speed, cosine = whole_job(backbone, side, photos, folder, options)
                rows += found
                speeds.append((backbone, side, speed, cosine))
        if rows:
            self._result.table("ingest of photos of 1-2 megapixels, from files", rows)
        for backbone, side, speed, cosine in speeds:
            self._whole_target(backbone, side, speed, cosine)

    def _whole_target(self, backbone: str, side: int, speed: float, cosine: float) -> None:
        reach = SPEED_REACH.get((backbone, side), 1.0)
        self._result.target(
            f"ingest with {backbone} at {side} px against the tutorial's loop",
            reach=f"at least {reach:g}x its images/s, cosine at least {COSINE_REACH}",
            got=f"{speed:.1f}x, least cosine {cosine:.5f}",
            met=speed >= reach and cosine >= COSINE_REACH,
        )

    def _weights(self, backbone: str) -> Path:
        return self._scratch / backbone / "weights.safetensors"

    def _time_for(self, what: str, backbone: str, side: int) -> bool:
        enough = time.monotonic() < self._ends
        if not enough:
            self._left_out.append({"what": f"{what}, {backbone} at {side} px"})
        return enough


def _in_short(row: dict[str, Any]) -> str:
    """What is known already, if the rest should fail."""
    return (
        f"{row['backbone']} at {row['px']} px, batch {row['batch']}, {row['way']}: "
        f"{row['images/s']:,.0f} images/s, {row['of the limit']:.1%}"
    )


if __name__ == "__main__":
    sys.exit(main())
