"""No random weights are drawn for a network that gets others, and none is missing."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
import torch

from holotype.encoder import undrawn
from holotype.encoder.backbone import Given
from holotype.encoder.guarded import timm
from holotype.encoder.undrawn import pretrained_network
from holotype.encoder.weights import StateDict
from tests.holotype.encoder.conftest import random_state

NAMES = ("vit_small_patch14_dinov2", "tf_efficientnet_lite0", "test_convnext", "test_resnet",
         "vit_tiny_r_s16_p8_224", "swin_tiny_patch4_window7_224")  # fmt: skip


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each network that timm made."""
    names: list[str] = []
    create = undrawn._create

    def count(name: str, overlay: dict[str, Any] | None) -> torch.nn.Module:
        names.append(name)
        return create(name, overlay)

    monkeypatch.setattr(undrawn, "_create", count)
    return names


def headless(name: str) -> StateDict:
    """Random weights of a network without its classifier."""
    wanted = timm.create_model(name, num_classes=0).state_dict().keys()
    return {key: tensor for key, tensor in random_state(name).items() if key in wanted}


@pytest.mark.parametrize("name", NAMES)
def test_undrawn__the_same_network(name: str, made: list[str]) -> None:
    """Every parameter and buffer is the plain way's to the bit, and it is made once."""
    state = headless(name)
    plain = undrawn._create(name, {"state_dict": dict(state), "num_classes": 0})
    made.clear()
    network = pretrained_network(name, {"state_dict": dict(state), "num_classes": 0})
    ours, theirs = tensors(network), tensors(plain)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert made == [name]


def tensors(network: torch.nn.Module) -> StateDict:
    """All of a network's, the buffers that are in no checkpoint too."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def test_undrawn__nothing_is_drawn(made: list[str]) -> None:
    """Loading takes no random number."""
    state = headless("test_vit")
    torch.manual_seed(3)
    pretrained_network("test_vit", {"state_dict": state, "num_classes": 0})
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))


def test_undrawn__a_weight_that_no_file_sets_is_drawn(made: list[str]) -> None:
    """Where timm tolerates a missing weight, it is a random number as ever."""
    state = headless("test_vit")
    del state["blocks.0.attn.qkv.weight"]
    network = pretrained_network("test_vit", {"state_dict": state})  # not strict: other classes
    drawn = network.get_parameter("blocks.0.attn.qkv.weight").detach()
    assert 0 < float(drawn.std()) < 1
    assert made == ["test_vit"] * 2


def test_undrawn__nan_in_the_file_stays(made: list[str]) -> None:
    """A damaged file is loaded as it is."""
    state = headless("test_vit")
    state["norm.bias"][0] = math.nan
    network = pretrained_network("test_vit", {"state_dict": state, "num_classes": 0})
    assert torch.equal(network.get_parameter("norm.bias").isnan(), state["norm.bias"].isnan())


def test_given__copies_share_their_tensors() -> None:
    """A copy of the configuration that holds the weights holds these, and may drop some."""
    given = Given({"weight": torch.ones(2), "head": torch.ones(1)})
    copy = deepcopy({"state_dict": given})["state_dict"]
    del copy["head"]
    assert copy["weight"] is given["weight"]
    assert set(given) == {"weight", "head"}
