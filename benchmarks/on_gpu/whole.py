"""The whole job, from JPEG files to a durable gallery, against the tutorial's loop."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import ingest

BUSY = 0.85
"""From this share on, a processor or a device counts as what bounds a run."""


def whole_job(
    backbone: str, side: int, photos: Sequence[Path], folder: Path, options: argparse.Namespace
) -> tuple[list[dict[str, Any]], float, float]:
    """Rows of both ways, how many times the loop's speed ours is, and the least cosine.

    Args:
        backbone: timm's name.
        side: pixels.
        photos: each way gets the first of them; the slower one fewer.
        folder: where `weights.safetensors` lies.
        options: `device`, `photos`, `peer_photos`, `compile`.
    """
    of_ingest = argparse.Namespace(
        backbone=backbone, device=options.device, batch_size=0, compile=options.compile
    )
    counts = {"ours": options.photos, "peer": options.peer_photos}
    rows: list[dict[str, Any]] = []
    folders = {way: folder / f"{way}-{side}" for way in counts}
    for way, count in counts.items():
        _link(photos[:count], folders[way] / "images" / "photo")
        found = ingest.in_a_process(way, of_ingest, folders[way], side)
        seconds = found["seconds"]
        processor = found["processor"] / seconds / (os.cpu_count() or 1)
        device = found["device"] / seconds
        rows.append(
            {
                "backbone": backbone,
                "px": side,
                "way": ingest.WAYS[way],
                "photos": count,
                "images/s": count / seconds,
                "processor busy": processor,
                "device busy": device,
                "bound by": _bound(processor, device),
            }
        )
    speed = rows[0]["images/s"] / rows[1]["images/s"]
    return rows, speed, ingest.least_cosine(folders["ours"], folders["peer"])


def _link(photos: Sequence[Path], images: Path) -> None:
    images.mkdir(parents=True)
    for photo in photos:
        (images / photo.name).symlink_to(photo.resolve())


def _bound(processor: float, device: float) -> str:
    if device >= BUSY:
        return "device"
    if processor >= BUSY:
        return "processor"
    return "-" if device != device else "neither"
