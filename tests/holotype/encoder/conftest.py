"""Small networks with fixed random weights, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from holotype.encoder.timm_import import timm
from holotype.encoder.weights import StateDict


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def random_state(name: str, *, seed: int = 0) -> StateDict:
    """Weights under which every layer matters, as a state dict that timm can load.

    Fresh timm weights would not do: DINOv2's layer scale starts at 1e-5, so that a block more
    or less makes no difference.
    """
    state: StateDict = timm.create_model(name, pretrained=False).state_dict()
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in sorted(state.items()):
        if not tensor.is_floating_point() or key.endswith("running_var"):
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        scale = tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.2
        centre = 1.0 if tensor.ndim == 1 and key.endswith(("weight", "gamma")) else 0.0
        state[key] = centre + noise * scale
    return state


@pytest.fixture(scope="session")
def dinov2_state() -> StateDict:
    """Random weights of the default backbone."""
    return random_state("vit_small_patch14_dinov2")


@pytest.fixture(scope="session")
def dinov2_checkpoint(dinov2_state: StateDict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a safetensors file."""
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("dinov2") / "dinov2.safetensors"
    save_file(dinov2_state, path)
    return path
