"""Batches, memory and devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from holotype.encoder import load_encoder
from holotype.encoder.cpu_threads import Lanes
from holotype.encoder.forward import Forward
from holotype.encoder.placement import Placement, choose_placement
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.errors import EncoderError, UsageError
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.settings import Device, Precision, Settings
from tests.fakes import ColourEncoder

CPU = Placement(torch.device("cpu"), bf16=False)


class SmallMemory(nn.Module):
    """Averages pictures, `room` of them at most at a time, and remembers the batches."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.batches: list[int] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.batches.append(len(pixels))
        return pixels.float().mean(dim=(1, 2))


def encoder_with(network: nn.Module, batch_size: int, lanes: Lanes | None = None) -> TimmEncoder:
    """An encoder of 3-dimensional vectors for pictures of 8 pixels."""
    half = (0.5, 0.5, 0.5)
    return TimmEncoder(
        Forward(network, CPU),  # type: ignore[arg-type]
        fingerprint=ColourEncoder().fingerprint,
        recipe=Recipe(8, 1.0, "bilinear", "center", half, half),
        batch_size=batch_size,
        lanes=lanes,
    )


def pictures(count: int) -> list[Pixels]:
    """Picture i is of grey level i."""
    return [np.full((8, 8, 3), i, np.uint8) for i in range(count)]


@pytest.mark.parametrize("count", [1, 5, 10, 11])
def test_encode__batches(count: int) -> None:
    """Any number of pictures comes back in order, `batch_size` at a time."""
    network = SmallMemory(room=100)
    vectors = encoder_with(network, batch_size=5).encode(pictures(count))
    assert vectors.dtype == np.float32
    assert vectors[:, 0].tolist() == list(range(count))
    assert max(network.batches) <= 5
    assert len(network.batches) == -(-count // 5)


def test_encode__nothing() -> None:
    """No pictures give no rows, of the right width."""
    encoder = encoder_with(SmallMemory(room=1), batch_size=5)
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_encode__out_of_memory_halves_and_goes_on() -> None:
    """When memory runs out the batch is halved until it fits; nothing is lost or reordered."""
    network = SmallMemory(room=3)
    encoder = encoder_with(network, batch_size=16)
    vectors = encoder.encode(pictures(20))
    assert vectors[:, 0].tolist() == list(range(20))
    assert network.batches == [2] * 10
    assert encoder.batch_size == 2  # remembered: the next call does not fail first
    encoder.encode(pictures(4))
    assert network.batches == [2] * 12


def test_encode__not_even_one_fits() -> None:
    """When a single picture does not fit, the message names ways out."""
    with pytest.raises(EncoderError) as caught:
        encoder_with(SmallMemory(room=0), batch_size=8).encode(pictures(3))
    assert str(caught.value) == (
        "the cpu device has no memory for a single picture of 8 pixels: use --device cpu, "
        "a smaller --image-size or a smaller --backbone"
    )


def test_encode__wrong_shape() -> None:
    """Pictures of another size than the recipe's are a mistake of the caller, and refused."""
    with pytest.raises(ValueError, match=r"\(9, 9, 3\)"):
        encoder_with(SmallMemory(room=9), batch_size=5).encode([np.zeros((9, 9, 3), np.uint8)])


def test_encode__batch_size_does_not_change_vectors(lite0_checkpoint: Path) -> None:
    """A picture's vector does not depend on its company, but for the last bits."""
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (96, 96, 3), np.uint8) for _ in range(5)]
    one_by_one, together = (
        load_encoder(
            Settings.load(
                backbone="tf_efficientnet_lite0",
                checkpoint=lite0_checkpoint,
                image_size=96,
                batch_size=size,
                device="cpu",
            )
        ).encode(pixels)
        for size in (1, 5)
    )
    assert (one_by_one * together).sum(axis=1).min() > 0.99999


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing but a CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_device__not_there(device: str) -> None:
    """A device that the machine lacks is wrong usage."""
    with pytest.raises(UsageError) as caught:
        choose_placement(Device(device), Precision.AUTO)
    assert str(caught.value) == f"this machine has no {device} device: use --device auto or cpu"


@pytest.mark.usefixtures("no_accelerator")
def test_device__auto_falls_back() -> None:
    """Without an accelerator `auto` is the CPU in float32."""
    assert choose_placement(Device.AUTO, Precision.AUTO) == CPU


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(1, 1, "cuda"), (0, 1, "mps"), (1, 0, "cuda")])
def test_device__auto_order(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: int, chosen: str
) -> None:
    """`auto` takes CUDA before MPS before the CPU; bf16 only on a CUDA device that computes it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    placement = choose_placement(Device.AUTO, Precision.AUTO)
    assert placement.device.type == chosen
    assert placement.bf16 is (chosen == "cuda")
    assert not choose_placement(Device.AUTO, Precision.FP32).bf16


def test_device__old_gpu_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device that only emulates bf16 is slower with it, so `auto` does not use it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert not choose_placement(Device.CUDA, Precision.AUTO).bf16
    assert choose_placement(Device.CUDA, Precision.BF16).bf16


def test_precision__bf16_on_cpu() -> None:
    """bf16 on a CPU is refused: it would be many times slower."""
    with pytest.raises(UsageError) as caught:
        choose_placement(Device.CPU, Precision.BF16)
    assert str(caught.value) == (
        "precision bf16 needs a CUDA device, and the encoder would run on cpu: "
        "use --precision fp32 or auto"
    )
