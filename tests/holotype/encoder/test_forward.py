"""Arithmetic of the forward pass: weights cast once, and whole batches compiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from holotype.encoder import load_encoder
from holotype.encoder.backbone import load_backbone, set_image_size
from holotype.encoder.build import recipe_of
from holotype.encoder.forward import Forward, cast_products
from holotype.encoder.network import EmbeddingNetwork
from holotype.encoder.placement import Placement
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.encoder.timm_import import timm
from holotype.errors import EncoderError
from holotype.images.square import Pixels
from holotype.settings import Pooling, Settings
from tests.fakes import ColourEncoder
from tests.holotype.encoder.conftest import random_state

BF16 = Placement(torch.device("cpu"), bf16=True)
SIDE = 32
TINY = "test_vit"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a tiny transformer as a file."""
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    save_file(random_state(TINY), path)
    return path


def noise(count: int, side: int = SIDE) -> list[Pixels]:
    """Random pictures."""
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (count, side, side, 3), np.uint8))


def network_of(name: str, checkpoint: Path, side: int) -> EmbeddingNetwork:
    """As the encoder has it."""
    backbone = load_backbone(name, checkpoint)
    set_image_size(backbone, side)
    return EmbeddingNetwork(backbone, recipe_of(backbone, side), Pooling.CLS).eval()


@pytest.mark.parametrize("name", ["vit_small_patch14_dinov2", "tf_efficientnet_lite0"])
def test_cast_products__changes_no_bit_under_autocast(
    name: str, dinov2_checkpoint: Path, lite0_checkpoint: Path
) -> None:
    """Weights cast once give the very vectors that weights cast at every pass give."""
    side = 56
    file = dinov2_checkpoint if name.startswith("vit") else lite0_checkpoint
    network = network_of(name, file, side)
    pixels = torch.from_numpy(np.stack(noise(2, side)))
    plain = Forward(network, BF16)(pixels)
    cast_products(network)
    kinds = {parameter.dtype for parameter in network.parameters()}
    assert torch.bfloat16 in kinds
    assert torch.equal(Forward(network, BF16)(pixels), plain)


def test_bf16__agrees_with_float32(dinov2_checkpoint: Path) -> None:
    """bf16 products keep the cosine to float32 above 0.999."""
    network = network_of("vit_small_patch14_dinov2", dinov2_checkpoint, 56)
    pixels = torch.from_numpy(np.stack(noise(2, 56)))
    exact = Forward(network, Placement(torch.device("cpu"), bf16=False))(pixels)
    cast_products(network)
    assert (Forward(network, BF16)(pixels) * exact).sum(1).min() > 0.999


def encoder_of(checkpoint: Path, **settings: object) -> TimmEncoder:
    """The tiny transformer on the CPU."""
    options = {"backbone": TINY, "image_size": SIDE, "device": "cpu"} | settings
    encoder = load_encoder(Settings.load(checkpoint=checkpoint, **options))
    assert isinstance(encoder, TimmEncoder)
    return encoder


def shallow(*, compiled: bool) -> TimmEncoder:
    """A transformer of one block, which compiles in seconds, in batches of four."""
    torch.manual_seed(0)
    backbone = timm.create_model(TINY, depth=1, img_size=SIDE, num_classes=0).eval()
    backbone.requires_grad_(requires_grad=False)
    recipe = recipe_of(backbone, SIDE)
    network = EmbeddingNetwork(backbone, recipe, Pooling.CLS).eval()
    return TimmEncoder(
        Forward(network, Placement(torch.device("cpu"), bf16=False), compiled=compiled),
        fingerprint=ColourEncoder().fingerprint,
        recipe=recipe,
        batch_size=4,
    )


@pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="compiling needs a C++ compiler"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, on loading its compiler
def test_compile__gives_the_same_vectors() -> None:
    """Two compiled batches and a rest that is not: every vector is that of plain code."""
    pixels = noise(11)
    compiled = shallow(compiled=True)
    compiled.warm_up()
    plain = shallow(compiled=False).encode(pixels)
    assert (compiled.encode(pixels) * plain).sum(axis=1).min() > 1 - 1e-5


def test_compile__that_fails_says_what_to_do(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a network cannot be compiled the message names the option to leave out."""

    def refuse(_: object, **__: object) -> object:
        def run(_: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no working C++ compiler found\nand more")

        return run

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(EncoderError) as caught:
        encoder_of(tiny, compile=True)
    assert str(caught.value) == (
        "this network could not be compiled (no working C++ compiler found): leave --compile out"
    )


class Counting:
    """Stands for compiled code: counts what it is called with."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(pixels))
        return torch.zeros(len(pixels), 64)


def test_compile__runs_whole_batches_only(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch size is warmed up; the rest of a run and single queries are not compiled for.

    Compiling is no part of the fingerprint.
    """
    code = Counting()
    monkeypatch.setattr(torch, "compile", lambda _network, **_: code)
    encoder = encoder_of(tiny, batch_size=4, compile=True)
    assert code.sizes == [4]
    assert encoder.fingerprint == encoder_of(tiny).fingerprint
    vectors = encoder.encode(noise(11))
    encoder.encode(noise(1))
    assert code.sizes == [4, 4, 4]
    assert np.abs(vectors[:8]).max() == 0 < np.abs(vectors[8:]).max()
