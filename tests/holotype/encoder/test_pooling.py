"""From features to one vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from holotype.encoder import load_encoder
from holotype.encoder.pooling import dimension, make_pool, pooling_name
from holotype.errors import EncoderError, UsageError
from holotype.references import Vectors
from holotype.settings import Pooling, Settings

PIXELS = [np.random.default_rng(7).integers(0, 256, (98, 98, 3), np.uint8)]


def vector(checkpoint: Path, pooling: str) -> Vectors:
    """The vector of one fixed picture."""
    settings = Settings.load(
        backbone="vit_small_patch14_dinov2",
        checkpoint=checkpoint,
        image_size=98,
        pooling=pooling,
        device="cpu",
    )
    encoder = load_encoder(settings)
    assert encoder.fingerprint.pooling == pooling
    seen = encoder.encode(PIXELS)[0]
    assert seen.shape == (encoder.dimension,)
    return seen


def test_pooling__parts_of_the_default_backbone(dinov2_checkpoint: Path) -> None:
    """`cls+mean` is the class token and the mean patch token, side by side, of unit length."""
    cls, mean, both = (vector(dinov2_checkpoint, name) for name in ("cls", "mean", "cls+mean"))
    assert both.shape == (768,)
    assert np.linalg.norm(both) == pytest.approx(1)
    halves = both[:384], both[384:]
    for half, alone in zip(halves, (cls, mean), strict=True):
        assert half @ alone / np.linalg.norm(half) == pytest.approx(1, abs=1e-5)
    assert cls @ mean < 0.99


class Tokens(nn.Module):
    """A network with a class token and two registers, as far as pooling looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 2))
        self.num_prefix_tokens = 3
        self.num_features = 2


def test_pooling__registers_are_left_out() -> None:
    """The mean is over patch tokens: neither class token nor registers."""
    tokens = torch.tensor([[[9.0, 9], [8, 8], [7, 7], [1, 2], [3, 4]]])
    assert make_pool(Tokens(), Pooling.MEAN)(tokens).tolist() == [[2, 3]]
    assert make_pool(Tokens(), Pooling.CLS)(tokens).tolist() == [[9, 9]]
    assert make_pool(Tokens(), Pooling.CLS_MEAN)(tokens).tolist() == [[9, 9, 2, 3]]
    assert dimension(Tokens(), Pooling.CLS_MEAN) == 4


class Maps(nn.Module):
    """A network without tokens whose own head doubles the mean."""

    def __init__(self, output_fmt: str) -> None:
        super().__init__()
        self.output_fmt = output_fmt
        self.num_features, self.head_hidden_size = 2, 5

    def forward_head(self, features: torch.Tensor, *, pre_logits: bool) -> torch.Tensor:
        assert pre_logits
        return 2 * features.mean((2, 3))


@pytest.mark.parametrize(("layout", "axes"), [("NCHW", (0, 1, 2, 3)), ("NHWC", (0, 2, 3, 1))])
def test_pooling__mean_of_a_feature_map(layout: str, axes: tuple[int, ...]) -> None:
    """The mean runs over space, in either layout."""
    features = torch.arange(8.0).reshape(1, 2, 2, 2).permute(axes)
    assert make_pool(Maps(layout), Pooling.MEAN)(features).tolist() == [[1.5, 5.5]]


def test_pooling__without_class_token_the_networks_own() -> None:
    """`cls` on a CNN is its own pooling, and the fingerprint says so."""
    network = Maps("NCHW")
    features = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert make_pool(network, Pooling.CLS)(features).tolist() == [[3, 11]]
    assert pooling_name(network, Pooling.CLS) == "default"
    assert dimension(network, Pooling.CLS) == 5
    assert pooling_name(network, Pooling.MEAN) == "mean"
    assert dimension(network, Pooling.MEAN) == 2


def test_pooling__cls_and_mean_without_class_token() -> None:
    """`cls+mean` without a class token is refused, with what to use."""
    with pytest.raises(
        UsageError, match="needs a class token, and this backbone has none: use cls"
    ):
        make_pool(Maps("NCHW"), Pooling.CLS_MEAN)


def test_pooling__several_maps() -> None:
    """A network that ends in several feature maps is refused in words."""
    pool = make_pool(Tokens(), Pooling.CLS)
    with pytest.raises(EncoderError, match="several feature maps"):
        pool([torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)])  # type: ignore[arg-type]
