"""Where the backbone runs, and in which arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from holotype.errors import UsageError
from holotype.settings import Device, Precision

BATCH_SIZE = 32
"""Pictures per forward pass where nothing is said."""

CUDA_BATCH_SIZE = 128
"""The same on a CUDA device. Starting the 150 to 200 kernels of ViT-S/14 takes the host about 2 ms,
whatever their size; a batch of 32 at 224 px is 0.39 TFLOP, 1 ms for a large GPU, which would then
wait for the host. 128 are four times that, also in a GPU's best range at 518 px, and at 518 px
still no more than 103 MB of pixels a slot. Less memory than it takes is found out and halves it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and how it computes."""

    device: torch.device
    bf16: bool
    """bf16 autocast; False: float32 throughout."""

    @property
    def is_cuda(self) -> bool:
        """Whether pinned memory and asynchronous copies pay."""
        return self.device.type == "cuda"

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass that keep this device busy."""
        return CUDA_BATCH_SIZE if self.is_cuda else BATCH_SIZE


def choose_placement(device: Device, precision: Precision) -> Placement:
    """Follow the settings.

    Raises:
        UsageError: the device is not there, or bf16 is asked for where it is not to be had.
    """
    where = _choose_device(device)
    if precision is Precision.BF16 and where.type != "cuda":
        raise UsageError(
            f"precision bf16 needs a CUDA device, and the encoder would run on {where.type}: "
            "use --precision fp32 or auto"
        )
    if precision is Precision.AUTO:
        return Placement(where, bf16=where.type == "cuda" and _computes_bf16())
    return Placement(where, bf16=precision is Precision.BF16)


def _computes_bf16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _choose_device(device: Device) -> torch.device:
    available = {
        Device.CUDA: torch.cuda.is_available(),
        Device.MPS: torch.backends.mps.is_available(),
        Device.CPU: True,
    }
    if device is Device.AUTO:
        device = next(name for name, there in available.items() if there)
    if not available[device]:
        raise UsageError(f"this machine has no {device} device: use --device auto or cpu")
    return torch.device(device.value)
