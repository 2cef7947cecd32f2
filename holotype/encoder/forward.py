"""One forward pass over a batch that is on the device, in the device's arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from holotype.encoder.network import EmbeddingNetwork
from holotype.encoder.placement import Placement
from holotype.encoder.timm_import import timm

_PRODUCTS = (nn.Linear, nn.Conv2d, timm.layers.Conv2dSame)  # type: ignore[attr-defined]


class Forward:
    """Calls the network. Where that was asked for, whole batches run compiled.

    Compiled code is made for one batch size, which takes up to a minute: batches of any other
    size (the last of a run, a single query) run as they always do, so nothing is padded and a
    service never stops to compile.
    """

    def __init__(
        self, network: EmbeddingNetwork, placement: Placement, *, compiled: bool = False
    ) -> None:
        """Run this network, which is on the placement's device already."""
        self.network = network
        self.placement = placement
        self.whole = 0
        """Pictures in a batch that runs compiled."""
        self._compiled: Callable[[torch.Tensor], torch.Tensor] | None = None
        if compiled:
            # The default mode: it fuses what passes over memory between the products, which are
            # the same library calls in every mode. At this batch size the host is far ahead of
            # the device, so that CUDA graphs ("reduce-overhead") would save nothing.
            self._compiled = torch.compile(network, dynamic=False)

    @torch.inference_mode()
    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed (N, S, S, 3) uint8; (N, D) float32, unit rows, both on the device."""
        compiled = self._compiled if len(pixels) == self.whole else None
        placement = self.placement
        with torch.autocast(placement.device.type, torch.bfloat16, enabled=placement.bf16):
            vectors: torch.Tensor = (self.network if compiled is None else compiled)(pixels)
        return vectors


def cast_products(network: nn.Module) -> None:
    """Cast the weights of products and convolutions to bf16 for good, for use under autocast.

    Autocast would cast the same weights to the same values at every forward pass: the vectors do
    not change by a bit. Everything else stays float32, the residual stream too: carried in bf16 it
    would cost accuracy (docs/LAB.md), and compiled code passes over it no more often.
    """
    for module in network.modules():
        if type(module) in _PRODUCTS:  # a subclass may do other arithmetic with its weights
            module.to(torch.bfloat16)
