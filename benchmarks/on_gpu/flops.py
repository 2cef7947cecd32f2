"""How much arithmetic a vision transformer is."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from holotype.encoder.timm_import import timm


def published(backbone: str, side: int) -> Any:
    """The network as it is published, its shapes alone."""
    with torch.device("meta"):
        return timm.create_model(backbone, num_classes=0, img_size=side)


def vit_flops(network: Any, side: int, *, class_token_only: bool) -> int:
    """Floating-point operations that one picture takes, counted from the shapes.

    A multiplication and an addition are two. N = patches + class and register tokens, D the width,
    H heads:

        patch embedding   2 (3 p^2) D for each patch
        linear layers     2 in out for each of the N tokens: 24 D^2 a block, for an MLP of 4 D
        attention         4 N^2 D a block: q k^T and the sum over v

    Norms, softmax, GELU and residual sums are left out: they are not what the limit of matrix
    products is about.

    Args:
        network: as it is published.
        side: of the picture, pixels.
        class_token_only: its last block is worked out for the class token (`encoder.lean`):
            the linear layers for one token, and 4 H N D for its attention over tokens as they are.
    """
    patch = int(network.patch_embed.patch_size[0])
    patches = (side // patch) ** 2
    tokens = patches + int(network.num_prefix_tokens)
    width = int(network.embed_dim)
    linear = [_linear(block) for block in network.blocks]
    flops = 2 * patches * 3 * patch**2 * width
    flops += sum(2 * tokens * one + 4 * tokens**2 * width for one in linear)
    if class_token_only:
        heads = int(network.blocks[-1].attn.num_heads)
        flops -= 2 * tokens * linear[-1] + 4 * tokens**2 * width
        flops += 2 * linear[-1] + 4 * heads * tokens * width
    return flops


def _linear(block: nn.Module) -> int:
    layers = [module for module in block.modules() if isinstance(module, nn.Linear)]
    return sum(layer.in_features * layer.out_features for layer in layers)
