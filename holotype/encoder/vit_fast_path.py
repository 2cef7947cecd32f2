"""Run a plain vision transformer in fewer passes over memory, and its last block for one token.

Two rewritings of timm's `Block`; vectors stay the same to rounding:

- Where only the class token is wanted, the last block need not be worked out for the others. Its
  keys and values are needed only in sums that one query per head takes: `q . (W x)` is
  `(W' q) . x`, and `sum a (W x)` is `W (sum a x)`. The block then costs next to nothing: a twelfth
  of a ViT-S or ViT-B.
- On a CPU the matrix products run at the processor's limit already, and what can be saved is
  traffic to memory: the residual is summed by the products themselves (layer scale becomes part of
  their weights), and wide buffers are used again by every block.

A network is rewritten where all its blocks are of timm's plain kind and where the result does to
a few random tokens what the original does. Any other network is left alone.

Shapes: N pictures, T tokens, D dimensions, H heads of E = D / H dimensions, M of the wide layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from holotype.encoder.timm_import import timm

AGREEMENT = 1 - 1e-5
"""Least cosine between what the rewritten and the original blocks add to each token."""


def rewrite(network: nn.Module, *, class_token_only: bool, in_place: bool) -> None:
    """Rewrite the blocks of a plain vision transformer; leave any other network as it is.

    Args:
        network: in evaluation mode, on the CPU, float32; changed.
        class_token_only: nothing but the class token, which is the first, is wanted of its
            features: `forward_features` gives (N, 1, D) afterwards.
        in_place: it will run on a CPU in float32.
    """
    blocks = getattr(network, "blocks", None)
    if not isinstance(blocks, nn.Sequential) or not all(_is_plain(block) for block in blocks):
        return
    rest = list(blocks)
    last = [ClassTokenBlock(rest.pop())] if class_token_only else []
    rewritten = nn.Sequential(*([InPlaceBlocks(rest)] if in_place else rest), *last)
    if _agree(blocks, rewritten, width=network.num_features):  # type: ignore[arg-type]
        network.blocks = rewritten


class InPlaceBlocks(nn.Module):
    """A chain of plain blocks."""

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_Parts(block) for block in blocks)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
            return self._traced(tokens)
        n, t, d = tokens.shape
        x = tokens.reshape(n * t, d).clone()  # (N T, D), summed up in place
        qkv, wide = x.new_empty(0), x.new_empty(0)  # the first block gives them their size
        for block in cast("Iterable[_Parts]", self.parts):
            qkv = torch.addmm(block.qkv_bias, block.norm1(x), block.qkv.T, out=qkv)
            q, k, v = qkv.view(n, t, 3, block.heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v)  # (N, H, T, E)
            x.add_(block.out_bias).addmm_(mixed.transpose(1, 2).reshape(n * t, -1), block.out.T)
            wide = torch.addmm(block.wide_bias, block.norm2(x), block.wide.T, out=wide)
            x.add_(block.narrow_bias).addmm_(block.activate(wide), block.narrow.T)
        return x.view(n, t, d)

    def _traced(self, tokens: Tensor) -> Tensor:
        """The same as a graph, which an exporter takes: nothing is written in place there."""
        n, t, d = tokens.shape
        x = tokens
        for block in cast("Iterable[_Parts]", self.parts):
            qkv = functional.linear(block.norm1(x), block.qkv, block.qkv_bias)
            q, k, v = qkv.view(n, t, 3, block.heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v)  # (N, H, T, E)
            mixed = mixed.transpose(1, 2).reshape(n, t, d)
            x = x + functional.linear(mixed, block.out, block.out_bias)
            wide = block.act(functional.linear(block.norm2(x), block.wide, block.wide_bias))
            x = x + functional.linear(wide, block.narrow, block.narrow_bias)
        return x


class ClassTokenBlock(nn.Module):
    """A plain block, worked out for the first token alone."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.parts = _Parts(block)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, D) to (N, 1, D)."""
        parts = self.parts
        normed = parts.norm1(tokens)
        w_q, w_k, w_v = parts.qkv.view(3, parts.heads, -1, tokens.shape[2])  # (H, E, D) each
        b_q, _, b_v = parts.qkv_bias.view(3, parts.heads, -1)  # keys' bias shifts all logits alike
        q = torch.einsum("nd,hed->nhe", normed[:, 0], w_q) + b_q
        asked = torch.einsum("nhe,hed->nhd", q * q.shape[2] ** -0.5, w_k)
        attention = (asked @ normed.transpose(1, 2)).softmax(dim=2)  # (N, H, T)
        mixed = torch.einsum("nhd,hed->nhe", attention @ normed, w_v) + b_v
        x = tokens[:, 0] + functional.linear(mixed.flatten(1), parts.out, parts.out_bias)
        wide = functional.linear(parts.norm2(x), parts.wide, parts.wide_bias)
        x = x + functional.linear(parts.act(wide), parts.narrow, parts.narrow_bias)
        return x[:, None]


class _Parts(nn.Module):
    """A plain block's numbers, its layer scales multiplied into the layers before them."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        attention, mlp = block.attn, block.mlp
        self.heads: int = attention.num_heads
        self.norm1: nn.Module = block.norm1
        self.norm2: nn.Module = block.norm2
        self.act: nn.Module = mlp.act
        self.qkv, self.qkv_bias = _numbers(attention.qkv)  # (3 D, D), (3 D,)
        self.out, self.out_bias = _numbers(attention.proj, block.ls1)  # (D, D), (D,)
        self.wide, self.wide_bias = _numbers(mlp.fc1)  # (M, D), (M,)
        self.narrow, self.narrow_bias = _numbers(mlp.fc2, block.ls2)  # (D, M), (D,)

    def activate(self, wide: Tensor) -> Tensor:
        """The activation, in place where it is known how."""
        if type(self.act) is nn.GELU:
            torch.ops.aten.gelu_(wide, approximate=self.act.approximate)
            return wide
        activated: Tensor = self.act(wide)
        return activated


def _numbers(layer: nn.Linear, scale: nn.Module | None = None) -> tuple[nn.Parameter, nn.Parameter]:
    weight, bias = layer.weight.detach(), layer.bias.detach()
    gamma = getattr(scale, "gamma", None)
    if gamma is not None:
        weight, bias = weight * gamma.detach()[:, None], bias * gamma.detach()
    return nn.Parameter(weight, requires_grad=False), nn.Parameter(bias, requires_grad=False)


def _is_plain(block: Any) -> bool:
    """Whether it is timm's block without an extra: what is asked for here is all it computes."""
    kinds: Any = timm.models.vision_transformer
    if type(block) is not kinds.Block:
        return False
    attention, mlp = block.attn, block.mlp
    if type(attention) is not kinds.Attention or type(mlp) is not kinds.Mlp:
        return False
    layers = (attention.qkv, attention.proj, mlp.fc1, mlp.fc2)
    extras = [
        getattr(module, name, None)  # not every version has every one
        for module, name in (
            (attention, "q_norm"),
            (attention, "k_norm"),
            (attention, "norm"),
            (attention, "gate"),
            (mlp, "norm"),
        )
    ]
    return (
        all(isinstance(layer, nn.Linear) and layer.bias is not None for layer in layers)
        and all(extra is None or isinstance(extra, nn.Identity) for extra in extras)
        and attention.qkv.out_features == 3 * attention.qkv.in_features
    )


@torch.inference_mode()
def _agree(original: nn.Module, rewritten: nn.Module, *, width: int) -> bool:
    # Small tokens, as a layer scale of 1e-5 would drown in the rounding of large ones.
    tokens = 1e-3 * torch.randn(2, 5, width, generator=torch.Generator().manual_seed(0))
    expected, got = original(tokens), rewritten(tokens)
    start, expected = tokens[:, : got.shape[1]], expected[:, : got.shape[1]]
    cosine = functional.cosine_similarity(got - start, expected - start, dim=2)
    return bool(cosine.min() >= AGREEMENT)
