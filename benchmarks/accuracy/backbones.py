"""The backbones to measure with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import OUT

if TYPE_CHECKING:
    from holotype.encoder.timm_encoder import TimmEncoder

LITE0 = "lite0"
"""EfficientNet-Lite0 with real ImageNet weights from an installed package: needs no hub."""


def add_backbone_options(parser: argparse.ArgumentParser) -> None:
    """Which backbones to measure with."""
    parser.add_argument(
        "--backbone",
        action="append",
        metavar="NAME[@CHECKPOINT]",
        help=f"timm name, with weights from a file or the hub; may be repeated (default: {LITE0})",
    )
    parser.add_argument("--image-size", type=int, help="pixels; default: the backbone's own")


def open_encoder(backbone: str, image_size: int | None) -> TimmEncoder:
    """The encoder that an argument names."""
    from demo import weights
    from holotype.encoder.build import build_encoder
    from holotype.settings import Settings

    name, _, checkpoint = backbone.partition("@")
    if name == LITE0:
        name, checkpoint = weights.BACKBONE, str(weights.lite0_checkpoint(OUT / "weights"))
    return build_encoder(
        Settings.load(
            backbone=name,
            checkpoint=Path(checkpoint) if checkpoint else None,
            image_size=image_size,
        )
    )
