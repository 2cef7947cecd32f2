"""How much arithmetic a vision transformer is."""

from __future__ import annotations

from typing import Any

from torch import nn


def vit_flops(backbone: Any, side: int) -> int:
    """Floating-point operations of one picture, counted from the shapes.

    A multiplication and an addition are two. N = patches + class and register tokens, D the width:

        patch embedding   2 (3 p^2) D for each patch
        linear layers     2 in out for each of the N tokens: 24 D^2 a block, for an MLP of 4 D
        attention         4 N^2 D a block: q k^T and the sum over v

    Every block counts for all N tokens, as the network is published, even where an encoder leaves
    out what the class token of the last block does not need. Norms, softmax, GELU and residual
    sums are left out: they are not what the limit of matrix products is about.
    """
    patch = int(backbone.patch_embed.patch_size[0])
    patches = (side // patch) ** 2
    tokens = patches + int(backbone.num_prefix_tokens)
    width = int(backbone.embed_dim)
    linear = sum(
        module.in_features * module.out_features
        for module in backbone.blocks.modules()
        if isinstance(module, nn.Linear)
    )
    attention = 4 * tokens**2 * width * len(backbone.blocks)
    return 2 * patches * 3 * patch**2 * width + 2 * tokens * linear + attention
