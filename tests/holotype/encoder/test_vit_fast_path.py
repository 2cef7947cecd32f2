"""Rewritten transformers give what the originals give; what is not plain is left alone."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from holotype.encoder.timm_import import timm
from holotype.encoder.vit_fast_path import ClassTokenBlock, InPlaceBlocks, rewrite

SIDE, PATCH = 28, 7


def transformer(**options: Any) -> Any:
    """A small plain ViT in which every layer matters (layer scale of about 1)."""
    torch.manual_seed(0)
    network = timm.models.vision_transformer.VisionTransformer(
        img_size=SIDE,
        patch_size=PATCH,
        embed_dim=48,
        depth=3,
        num_heads=3,
        num_classes=0,
        **({"init_values": 1.0} | options),
    )
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2) if parameter.ndim > 1 else nn.init.normal_(
            parameter, mean=1.0, std=0.3
        )
    return network.eval().requires_grad_(requires_grad=False)


def rewritten(network: Any, **how: bool) -> Any:
    """A copy of it, rewritten."""
    copy = deepcopy(network)
    rewrite(copy, **how)
    return copy


def features(network: Any) -> Tensor:
    """Of two pictures."""
    pictures = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        tokens: Tensor = network.forward_features(pictures)
    return tokens


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="layer scale"),
        pytest.param({"init_values": None}, id="no layer scale"),
        pytest.param({"reg_tokens": 2}, id="registers"),
        pytest.param({"act_layer": nn.ReLU}, id="another activation"),
        pytest.param({"act_layer": "gelu_tanh"}, id="approximate GELU"),
        pytest.param({"pre_norm": True}, id="norm before the blocks"),
    ],
)
def test_rewrite__class_token(options: dict[str, Any], *, in_place: bool) -> None:
    """The class token is the original's, and it is all that the features hold."""
    network = transformer(**options)
    lean = rewritten(network, class_token_only=True, in_place=in_place)
    assert isinstance(lean.blocks[-1], ClassTokenBlock)
    assert isinstance(lean.blocks[0], InPlaceBlocks) is in_place
    token = features(lean)
    assert token.shape == (2, 1, 48)
    torch.testing.assert_close(token, features(network)[:, :1], rtol=1e-4, atol=1e-4)


def test_rewrite__all_tokens() -> None:
    """Where every token is wanted, every token is the original's."""
    network = transformer()
    lean = rewritten(network, class_token_only=False, in_place=True)
    assert [type(block) for block in lean.blocks] == [InPlaceBlocks]
    torch.testing.assert_close(features(lean), features(network), rtol=1e-4, atol=1e-4)


def test_rewrite__any_size_after_another() -> None:
    """Buffers belong to one call: pictures of another number or size are no problem."""
    network = transformer(dynamic_img_size=True)
    lean = rewritten(network, class_token_only=False, in_place=True)
    with torch.inference_mode():
        for n, side in ((3, SIDE), (1, 2 * SIDE), (2, SIDE)):
            pictures = torch.rand(n, 3, side, side)
            torch.testing.assert_close(
                lean.forward_features(pictures),
                network.forward_features(pictures),
                rtol=1e-4,
                atol=1e-4,
            )


def test_in_place_blocks__input_stays() -> None:
    """Sums are made in a copy: the tokens that came are not changed."""
    blocks = InPlaceBlocks(transformer().blocks)
    tokens = torch.rand(2, 5, 48)
    before = tokens.clone()
    with torch.inference_mode():
        assert not torch.equal(blocks(tokens), before)
    assert torch.equal(tokens, before)


def test_rewrite__bf16() -> None:
    """Under bf16 autocast the class token is as near to float32 as the original block's."""
    network = transformer()
    lean = rewritten(network, class_token_only=True, in_place=False)
    exact = features(network)[:, 0]
    with torch.autocast("cpu", torch.bfloat16):
        near, nearer = features(network)[:, 0].float(), features(lean)[:, 0].float()
    assert cosine_similarity(near, exact).min() > 0.999
    assert cosine_similarity(nearer, exact).min() > 0.999


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"qk_norm": True}, id="normalised queries and keys"),
        pytest.param({"scale_attn_norm": True}, id="norm after attention"),
        pytest.param({"qkv_bias": False}, id="no bias"),
        pytest.param({"mlp_layer": timm.layers.SwiGLUPacked}, id="gated layer, as in ViT-g"),
    ],
)
def test_rewrite__not_plain(options: dict[str, Any]) -> None:
    """A block that computes something else stays as it is."""
    lean = rewritten(transformer(**options), class_token_only=True, in_place=True)
    assert {type(block) for block in lean.blocks} == {timm.models.vision_transformer.Block}


def test_rewrite__no_transformer() -> None:
    """A CNN stays as it is, also one whose stages are called blocks."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    blocks = network.blocks
    rewrite(network, class_token_only=False, in_place=True)
    assert network.blocks is blocks


def test_rewrite__disagreement_keeps_the_original() -> None:
    """Where the rewritten blocks would do something else, that is seen and nothing changes."""
    network = transformer()
    network.blocks[1].register_forward_hook(lambda _module, _given, output: 2 * output)
    blocks = network.blocks
    rewrite(network, class_token_only=True, in_place=True)
    assert network.blocks is blocks


def test_rewrite__tiny_layer_scale() -> None:
    """The trial is not drowned in rounding by DINOv2's initial layer scale of 1e-5."""
    network = timm.create_model("vit_small_patch14_dinov2", pretrained=False, img_size=SIDE).eval()
    assert float(network.blocks[0].ls1.gamma.detach().max()) == pytest.approx(1e-5)
    rewrite(network, class_token_only=True, in_place=True)
    assert isinstance(network.blocks[-1], ClassTokenBlock)
