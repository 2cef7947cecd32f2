"""Vectors are those of the plain timm recipe: this pins preprocessing and forward pass."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from holotype.encoder import load_encoder
from holotype.encoder.timm_import import timm
from holotype.images.picture import read_picture
from holotype.references import Vectors
from holotype.settings import Settings
from tests.holotype.images.make import encoded, large_photo, photo


def plain_timm(name: str, checkpoint: Path, size: int, files: list[bytes]) -> Vectors:
    """Open, convert, timm's transform, timm's network: what the documentation of timm shows."""
    overlay = {"file": str(checkpoint)}
    size_of = {"img_size": size} if name.startswith("vit") else {}
    network = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **size_of
    ).eval()
    config = timm.data.resolve_model_data_config(network) | {"input_size": (3, size, size)}
    transform = timm.data.create_transform(**config, is_training=False)
    batch = torch.stack([transform(Image.open(BytesIO(data)).convert("RGB")) for data in files])
    with torch.inference_mode():
        features = network.forward_features(batch)
        vectors = network.forward_head(features, pre_logits=True)
    return torch.nn.functional.normalize(vectors, dim=1).numpy()


def ours(name: str, checkpoint: Path, size: int, files: list[bytes]) -> Vectors:
    """The same files through the encoder."""
    settings = Settings.load(
        backbone=name, checkpoint=checkpoint, image_size=size, device="cpu", batch_size=3
    )
    encoder = load_encoder(settings)
    return encoder.encode([read_picture(data, encoder.recipe).pixels for data in files])


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    """Real photographs: whole, upright, cut, enlarged; JPEG and PNG."""
    china, flower = photo("china"), photo("flower")
    return [
        encoded(china, "JPEG", quality=95),
        encoded(flower, "PNG"),
        encoded(flower.rotate(90, expand=True), "JPEG"),
        encoded(china.crop((100, 100, 331, 290)), "PNG"),
        encoded(flower.crop((250, 120, 333, 203)), "PNG"),
        encoded(china.convert("L"), "JPEG"),
        encoded(china.crop((0, 200, 640, 290)), "JPEG"),
    ]


def test_golden__lite0(lite0_checkpoint: Path, files: list[bytes]) -> None:
    """A CNN with real weights: cosine >= 0.9999 to the plain recipe, picture by picture."""
    name = "tf_efficientnet_lite0"
    vectors = ours(name, lite0_checkpoint, 224, files)
    cosines = (vectors * plain_timm(name, lite0_checkpoint, 224, files)).sum(axis=1)
    assert vectors.shape == (7, 1280)
    assert cosines.min() >= 0.9999
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    between = vectors @ vectors.T
    assert between[0, 1] < 0.8  # two motifs differ: the comparison above could have failed


def test_golden__dinov2(dinov2_checkpoint: Path, files: list[bytes]) -> None:
    """The default backbone at a small size, where position embeddings are resampled."""
    name = "vit_small_patch14_dinov2"
    vectors = ours(name, dinov2_checkpoint, 98, files)
    cosines = (vectors * plain_timm(name, dinov2_checkpoint, 98, files)).sum(axis=1)
    assert vectors.shape == (7, 384)
    assert cosines.min() >= 0.9999


def test_golden__reduced_jpeg(lite0_checkpoint: Path) -> None:
    """Decoding a large JPEG at half its size keeps the vector: cosine >= 0.999."""
    files = [
        encoded(large_photo(), "JPEG", quality=quality, subsampling=subsampling)
        for quality, subsampling in ((90, 2), (95, 0), (60, 2))
    ]
    name = "tf_efficientnet_lite0"
    cosines = ours(name, lite0_checkpoint, 224, files) * plain_timm(
        name, lite0_checkpoint, 224, files
    )
    assert cosines.sum(axis=1).min() >= 0.999
