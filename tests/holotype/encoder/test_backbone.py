"""Names, hubs and sizes."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from holotype.encoder import load_encoder
from holotype.encoder.backbone import Given
from holotype.errors import UnknownBackbone, UsageError, WeightsUnavailable
from holotype.settings import Settings


def load(**settings: object) -> object:
    """An encoder on the CPU."""
    return load_encoder(Settings.load(device="cpu", **settings))


def test_backbone__unknown_name() -> None:
    """A misspelt name is answered with the names nearest to it."""
    with pytest.raises(UnknownBackbone) as caught:
        load(backbone="vit_smal_patch14_dinov2")
    assert str(caught.value) == (
        "timm has no network 'vit_smal_patch14_dinov2': did you mean vit_small_patch14_dinov2, "
        "vit_small_patch16_dinov3, vit_small_patch14_reg4_dinov2?"
    )


def test_backbone__name_like_nothing() -> None:
    """A name that resembles nothing still says where to look."""
    with pytest.raises(UnknownBackbone, match=r"'zzzzzzzz': `timm.list_models\(\)` lists all"):
        load(backbone="zzzzzzzz")


def test_backbone__unknown_tag() -> None:
    """A known network with unknown weights lists the weights that exist."""
    with pytest.raises(UnknownBackbone) as caught:
        load(backbone="tf_efficientnet_lite0.in22k")
    assert str(caught.value) == (
        "timm has no weights 'in22k' for tf_efficientnet_lite0: "
        "did you mean tf_efficientnet_lite0.in1k?"
    )


@pytest.fixture
def unreachable_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A hub address where nobody listens, and an empty cache."""
    from huggingface_hub import constants

    with socket.socket() as held:  # bound, never listening: connections are refused
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield address


@pytest.mark.timeout(60)
def test_hub__unreachable(unreachable_hub: str) -> None:
    """A hub that cannot be reached is said within seconds, with the remedy."""
    with pytest.raises(WeightsUnavailable) as caught:
        load()
    said = str(caught.value)
    assert said.startswith(
        "the weights of vit_small_patch14_dinov2.lvd142m could not be fetched (["
    )
    assert "Connection refused" in said
    assert "--checkpoint FILE (or HOLOTYPE_CHECKPOINT)" in said


@pytest.mark.parametrize(
    "proxies", [{"ALL_PROXY": "socks5://127.0.0.1:1"}, {"NO_PROXY": "::1,[::1]"}], ids=str
)
def test_hub__proxies_that_cannot_be_used(
    proxies: dict[str, str], unreachable_hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are a hub that cannot be reached, too."""
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WeightsUnavailable, match=r"could not be fetched \(.*--checkpoint FILE"):
        load(backbone="resnet10t")


def test_hub__nowhere_to_keep_weights(
    unreachable_hub: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a home the hub library would make a folder called `~`: the setting is named."""
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~/.cache/huggingface/hub")
    with pytest.raises(WeightsUnavailable, match=r"no home to keep weights in.*HF_HOME"):
        load(backbone="resnet10t")
    assert list(tmp_path.iterdir()) == []


def test_hub__offline_mode(unreachable_hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub library's own offline switch leads to the same message."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailable, match="--checkpoint FILE"):
        load(backbone="resnet10t")


def test_hub__weights_fetched_before_need_no_hub(
    unreachable_hub: str, tmp_path: Path, lite0_checkpoint: Path
) -> None:
    """Weights in the cache are used without a request, and are the space that a file opens."""
    repository = tmp_path / "hub" / "models--timm--tf_efficientnet_lite0.in1k"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    shutil.copy(lite0_checkpoint, snapshot / "model.safetensors")
    from_cache = load(backbone="tf_efficientnet_lite0.in1k")
    from_file = load(backbone="tf_efficientnet_lite0.in1k", checkpoint=lite0_checkpoint)
    assert from_cache.fingerprint == from_file.fingerprint


@pytest.mark.parametrize(
    ("size", "remedy"), [(500, "use 490 or 504"), (100, "use 98 or 112"), (15, "use 14 or 28")]
)
def test_size__not_a_multiple_of_the_patch(dinov2_checkpoint: Path, size: int, remedy: str) -> None:
    """A size that cuts through patches is refused with the nearest ones that do not."""
    with pytest.raises(UsageError) as caught:
        load(backbone="vit_small_patch14_dinov2", checkpoint=dinov2_checkpoint, image_size=size)
    assert str(caught.value) == (
        f"image size {size} does not divide into patches of 14 pixels: {remedy}"
    )


def test_size__native_by_default(dinov2_checkpoint: Path) -> None:
    """Without a setting the backbone's own size is used: 518 for DINOv2."""
    encoder = load(backbone="vit_small_patch14_dinov2", checkpoint=dinov2_checkpoint)
    assert encoder.recipe.image_size == encoder.fingerprint.image_size == 518
    assert encoder.recipe.describe().startswith("resize 518 bicubic, center crop 518, mean 0.485")


def test_size__any_for_a_cnn(lite0_checkpoint: Path) -> None:
    """A CNN takes sizes that divide by nothing."""
    import numpy as np

    encoder = load(backbone="tf_efficientnet_lite0", checkpoint=lite0_checkpoint, image_size=101)
    vectors = encoder.encode([np.zeros((101, 101, 3), np.uint8)])
    assert vectors.shape == (1, 1280)


def test_given__copies_share_their_tensors() -> None:
    """A copy of the configuration that holds the weights holds these, and may drop some."""
    given = Given({"weight": torch.ones(2), "head": torch.ones(1)})
    copy = deepcopy({"state_dict": given})["state_dict"]
    del copy["head"]
    assert copy["weight"] is given["weight"]
    assert set(given) == {"weight", "head"}
