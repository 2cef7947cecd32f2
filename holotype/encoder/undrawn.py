"""Make a pretrained network without first drawing random weights for it.

timm fills every network with random numbers and then copies the pretrained ones over them: a
quarter of the time to load ViT-S/14, and more the larger the network is. Here the drawing is left
out. What would have been drawn is NaN instead, so that a weight which the checkpoint does not set
is noticed; such a network is made once more, the plain way.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from holotype.encoder.guarded import timm

# Those of `nn.init` that ask a mode themselves: it is off while they run.
_DRAWING = (torch.Tensor.uniform_, torch.Tensor.normal_,
            nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_)  # fmt: skip
_OF_WHAT_IS_DRAWN = (torch.Tensor.erfinv_,)  # the slow half of drawing from a truncated normal


def pretrained_network(name: str, overlay: dict[str, Any] | None) -> nn.Module:
    """A network of timm with pretrained weights and without classifier.

    Args:
        name: as timm knows it.
        overlay: what to change in timm's description of the weights.
    """
    with _Undrawn():
        network = _create(name, overlay)
    return _create(name, overlay) if _has_nan(network) else network


def _create(name: str, overlay: dict[str, Any] | None) -> nn.Module:
    network: nn.Module = timm.create_model(
        name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay
    )
    return network


class _Undrawn(TorchFunctionMode):
    """Tensors stay as they are where they would be filled with random numbers."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in _DRAWING:
            with torch.no_grad():
                return (args[0] if args else named["tensor"]).fill_(math.nan)
        if func in _OF_WHAT_IS_DRAWN:
            return args[0]
        return func(*args, **named)


def _has_nan(network: nn.Module) -> bool:
    # A sum is NaN if one term is: a single pass over memory, nothing allocated.
    return any(
        math.isnan(float(tensor.sum()))
        for tensor in network.state_dict().values()
        if tensor.is_floating_point()
    )
