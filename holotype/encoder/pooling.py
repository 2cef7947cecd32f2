"""How a backbone's features become one vector.

- `cls`: the class token. A network without one (a CNN, most hierarchical transformers) has its
  own way of pooling, which is what its pretraining made meaningful: that is used instead, and
  the fingerprint then says `default`.
- `mean`: mean over the patch tokens (class and register tokens left out) or over the feature map.
- `cls+mean`: both, concatenated, so 2 D; only where there is a class token, because a network's
  own pooling mostly is the mean already.

A transformer that normalises after its pooling instead of before (timm's `fc_norm`) does so
here too. For DINOv2, `cls` is what timm's own `forward_head(..., pre_logits=True)` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from holotype.errors import EncoderError, UsageError
from holotype.settings import Pooling

Pool = Callable[[torch.Tensor], torch.Tensor]


def has_class_token(network: nn.Module) -> bool:
    """Whether the first token of the output is a class token."""
    # Some networks declare the attribute and leave it None; register tokens are counted as
    # prefix tokens too, so their number alone would not do.
    return getattr(network, "cls_token", None) is not None


def pooling_name(network: nn.Module, pooling: Pooling) -> str:
    """The fingerprint's word for what `pooling` means on this network."""
    if pooling is Pooling.CLS and not has_class_token(network):
        return "default"
    return pooling.value


def dimension(network: nn.Module, pooling: Pooling) -> int:
    """D, the length of a pooled vector."""
    features = cast("int", network.num_features)
    if pooling is Pooling.CLS_MEAN:
        return 2 * features
    if pooling is Pooling.CLS and not has_class_token(network):
        # Some heads project after pooling (MobileNetV3): timm tells the width it ends with.
        return getattr(network, "head_hidden_size", None) or features
    return features


def make_pool(network: nn.Module, pooling: Pooling) -> Pool:
    """The function from `network.forward_features`' output to (N, D).

    Raises:
        UsageError: `cls+mean` on a network that has no class token.
    """
    late_norm = getattr(network, "fc_norm", None) or nn.Identity()

    def mean(features: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = late_norm(_mean(network, features))
        return pooled

    def class_token(features: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = late_norm(_one_map(features)[:, 0])
        return pooled

    if pooling is Pooling.MEAN:
        return mean
    if has_class_token(network):
        if pooling is Pooling.CLS:
            return class_token
        return lambda features: torch.cat((class_token(features), mean(features)), dim=1)
    if pooling is Pooling.CLS_MEAN:
        raise UsageError(
            "pooling cls+mean needs a class token, and this backbone has none: use cls"
        )
    own_head = cast("Callable[..., torch.Tensor]", network.forward_head)
    return lambda features: own_head(features, pre_logits=True)


def _mean(network: nn.Module, features: torch.Tensor) -> torch.Tensor:
    features = _one_map(features)
    if features.ndim == 3:  # (N, T, D) tokens, class and register tokens first
        prefix = getattr(network, "num_prefix_tokens", int(has_class_token(network)))
        return features[:, prefix:].mean(dim=1)
    if getattr(network, "output_fmt", "NCHW") == "NHWC":
        return features.mean(dim=(1, 2))
    return features.mean(dim=(2, 3))


def _one_map(features: torch.Tensor) -> torch.Tensor:
    if isinstance(features, torch.Tensor):
        return features
    raise EncoderError(
        "this backbone ends in several feature maps, and one is needed: use another --backbone"
    )
