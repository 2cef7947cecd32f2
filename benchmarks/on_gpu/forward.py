"""The forward pass alone, by ways of running it, against the device's own limit."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.on_gpu.flops import published, vit_flops
from holotype.encoder import load_encoder
from holotype.encoder.forward import Forward
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.encoder.vit_fast_path import ClassTokenBlock
from holotype.images.picture import read_pixels
from holotype.settings import Precision, Settings

Run = Callable[[torch.Tensor], torch.Tensor]

EAGER, GRAPH, COMPILED, COMPILED_GRAPH = "eager", "graph", "compiled", "compiled+graph"
WAYS = (EAGER, GRAPH, COMPILED, COMPILED_GRAPH)

MEASURE_S = 0.4
"""Seconds of a measurement; three are made."""

COMPARED = 8
"""Pictures whose vectors are compared with float32."""


def seconds_of(run: Callable[[], object], device: torch.device) -> list[float]:
    """Seconds of one call, three times, after a warm-up; each is the mean of many in a row."""
    for _ in range(2):
        started = _clock(device)
        run()
        once = _clock(device) - started
    calls = max(1, min(500, round(MEASURE_S / once)))
    found: list[float] = []
    for _ in range(3):
        started = _clock(device)
        for _ in range(calls):
            run()
        found.append((_clock(device) - started) / calls)
    return found


def matrix_limit(device: torch.device, dtype: torch.dtype, sizes: Sequence[int]) -> list[Any]:
    """Rows: TFLOP/s of square products, which the library does best."""
    rows = []
    for size in sizes:
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        into = torch.empty(size, size, device=device, dtype=dtype)
        best = min(seconds_of(lambda a=a, b=b, into=into: torch.mm(a, b, out=into), device))
        rows.append({"size": size, "dtype": str(dtype)[6:], "TFLOP/s": 2 * size**3 / best / 1e12})
    return rows


def encoder_of(
    backbone: str, checkpoint: Path, side: int, device: str, precision: Precision
) -> TimmEncoder:
    """As `ingest` has it."""
    encoder = load_encoder(
        Settings.load(
            backbone=backbone,
            checkpoint=checkpoint,
            image_size=side,
            device=device,
            precision=precision,
        )
    )
    assert isinstance(encoder, TimmEncoder)
    return encoder


@dataclass(frozen=True, slots=True)
class Forwards:
    """One backbone at one size, and what its vectors should be."""

    backbone: str
    side: int
    encoder: TimmEncoder
    pictures: torch.Tensor
    """(COMPARED, S, S, 3) uint8, on the device."""
    exact: torch.Tensor
    """Their vectors in float32."""

    @classmethod
    def load(
        cls, backbone: str, checkpoint: Path, side: int, device: str, photos: Sequence[Path]
    ) -> Forwards:
        """Both networks, one after the other; the first of the photos are compared."""
        exact = encoder_of(backbone, checkpoint, side, device, Precision.FP32)
        where = exact.forward.placement.device
        pixels = [read_pixels(photo.read_bytes(), exact.recipe) for photo in photos[:COMPARED]]
        pictures = torch.from_numpy(np.stack(pixels)).to(where)
        vectors = exact.forward(pictures)
        del exact
        encoder = encoder_of(backbone, checkpoint, side, device, Precision.AUTO)
        return cls(backbone, side, encoder, pictures, vectors)

    @property
    def flops(self) -> int:
        """Operations that a picture really takes."""
        blocks: Any = self.encoder.network.backbone.blocks
        return vit_flops(
            published(self.backbone, self.side),
            self.side,
            class_token_only=isinstance(blocks[-1], ClassTokenBlock),
        )

    def rows(self, ways: Sequence[str], batch: int, limit: float) -> Iterator[dict[str, Any]]:
        """One row a way; `limit` in TFLOP/s."""
        device = self.encoder.forward.placement.device
        reached = self.flops * batch / 1e12
        pixels = self.pictures.repeat(-(-batch // len(self.pictures)), 1, 1, 1)[:batch]
        made: dict[bool, Run] = {}  # by whether it is compiled: a graph is made of either
        for way in ways:
            try:
                ready, seconds, cosine = self._measure(way, pixels, made, device)
            except RuntimeError as error:  # one way that a device refuses must not cost the rest
                way = f"{way} failed: {str(error).strip().partition(chr(10))[0][:60]}"
                ready = seconds = cosine = math.nan
            yield {
                "backbone": self.backbone,
                "px": self.side,
                "batch": batch,
                "way": way,
                "images/s": batch / seconds,
                "TFLOP/s": reached / seconds,
                "of the limit": reached / seconds / limit,
                "least cosine to fp32": f"{cosine:.5f}",
                "ready after s": ready,
            }

    def _measure(
        self, way: str, pixels: torch.Tensor, made: dict[bool, Run], device: torch.device
    ) -> tuple[float, float, float]:
        started = time.perf_counter()
        compiled = way in {COMPILED, COMPILED_GRAPH}
        if compiled not in made:
            made[compiled] = self._run(len(pixels), compiled=compiled)
        run = made[compiled]
        run(pixels)
        if way in {GRAPH, COMPILED_GRAPH}:
            run = graphed(run, pixels)
        ready = _clock(device) - started
        seconds = statistics.median(seconds_of(lambda: run(pixels), device))
        vectors = run(pixels)[:COMPARED]
        return ready, seconds, float((vectors * self.exact[: len(vectors)]).sum(1).min())

    def _run(self, batch: int, *, compiled: bool) -> Run:
        forward = self.encoder.forward
        if not compiled:
            return forward
        torch.compiler.reset()  # after eight networks torch would go on without compiling
        again = Forward(forward.network, forward.placement, compiled=True)
        again.whole = batch
        return again


def graphed(run: Run, pixels: torch.Tensor) -> Run:
    """The same as one CUDA graph: the host starts a single thing instead of every kernel."""
    held = pixels.clone()
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # what is allocated or chosen on the first calls must not be captured
            run(held)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        vectors = run(held)

    def replay(given: torch.Tensor) -> torch.Tensor:
        held.copy_(given)
        graph.replay()
        return vectors

    return replay


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
