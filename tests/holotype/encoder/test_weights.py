"""Weights are read without running code, checked against the backbone, named by content."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from holotype.encoder import load_encoder
from holotype.encoder.weights import StateDict
from holotype.errors import WeightsUnavailable
from holotype.fingerprint import Fingerprint
from holotype.settings import Settings

BACKBONE = "tf_efficientnet_lite0"


def fingerprint(checkpoint: Path, **settings: object) -> Fingerprint:
    """The space that this file opens."""
    options = {"backbone": BACKBONE, "device": "cpu"} | settings
    return load_encoder(Settings.load(checkpoint=checkpoint, **options)).fingerprint


def refused(checkpoint: Path, backbone: str = BACKBONE) -> str:
    """The message with which a file is refused."""
    with pytest.raises(WeightsUnavailable) as caught:
        fingerprint(checkpoint, backbone=backbone)
    return str(caught.value)


@pytest.fixture
def state(lite0_checkpoint: Path) -> StateDict:
    """The tensors of the real checkpoint."""
    return load_file(lite0_checkpoint)


@pytest.mark.parametrize("name", ["w.pth", "w.bin", "w.pt"])
def test_fingerprint__same_weights_in_another_container(
    lite0_checkpoint: Path, state: StateDict, tmp_path: Path, name: str
) -> None:
    """The same tensors are the same space, whatever file they lie in."""
    torch.save(dict(reversed(state.items())), tmp_path / name)
    assert fingerprint(tmp_path / name) == fingerprint(lite0_checkpoint)


def test_fingerprint__training_checkpoint(
    lite0_checkpoint: Path, state: StateDict, tmp_path: Path
) -> None:
    """A training run's file is unwrapped, and step counters and the classifier do not count."""
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    wrapped["module.bn1.num_batches_tracked"] = torch.tensor(77)
    wrapped["module.classifier.weight"] = torch.zeros(21, 1280)
    wrapped["module.classifier.bias"] = torch.zeros(21)
    torch.save({"epoch": 3, "state_dict": wrapped}, tmp_path / "last.pth")
    assert fingerprint(tmp_path / "last.pth") == fingerprint(lite0_checkpoint)


@pytest.mark.parametrize("prefix", ["model.", "student.backbone."])
def test_fingerprint__one_prefix_on_every_name(
    lite0_checkpoint: Path, state: StateDict, tmp_path: Path, prefix: str
) -> None:
    """A backbone that was trained inside something larger is that backbone."""
    save_file({prefix + name: t for name, t in state.items()}, tmp_path / "w.safetensors")
    assert fingerprint(tmp_path / "w.safetensors") == fingerprint(lite0_checkpoint)


@pytest.mark.parametrize("owner", ["hf-hub:timm/", "hf_hub:timm/"])
def test_fingerprint__name_of_the_hub_beside_a_file(lite0_checkpoint: Path, owner: str) -> None:
    """Networks of timm on the hub are those that it has itself: nothing is asked there."""
    named = fingerprint(lite0_checkpoint, backbone=f"{owner}{BACKBONE}.in1k@main")
    assert named == fingerprint(lite0_checkpoint)


def test_checkpoint__beside_a_name_that_only_the_hub_knows(lite0_checkpoint: Path) -> None:
    """Without the hub that is one sentence with the remedy."""
    said = refused(lite0_checkpoint, backbone="hf-hub:somebody/something")
    assert said.startswith("the hub could not be asked what network hf-hub:somebody/something is (")
    assert "name it as timm does" in said


def test_checkpoint__prefix_on_another_backbone(state: StateDict, tmp_path: Path) -> None:
    """What does not fit without its prefix either is refused for what was wrong at first."""
    save_file({f"model.{name}": t for name, t in state.items()}, tmp_path / "w.safetensors")
    said = refused(tmp_path / "w.safetensors", backbone="resnet10t")
    assert "does not fit backbone resnet10t: " in said
    assert "Name the backbone that the file was made for" in said


def test_fingerprint__tag_of_the_name_does_not_matter(lite0_checkpoint: Path) -> None:
    """The weights are known by content, so the tag that was typed is no part of the space."""
    tagged = fingerprint(lite0_checkpoint, backbone=f"{BACKBONE}.in1k")
    assert tagged == fingerprint(lite0_checkpoint)
    assert tagged.backbone == BACKBONE


def test_fingerprint__one_weight_changed(
    lite0_checkpoint: Path, state: StateDict, tmp_path: Path
) -> None:
    """Other weights are another space."""
    state["conv_stem.weight"][0, 0, 0, 0] += 1e-4
    save_file(state, tmp_path / "w.safetensors")
    changed = fingerprint(tmp_path / "w.safetensors")
    assert [name for name, _, _ in changed.differences(fingerprint(lite0_checkpoint))] == [
        "weights_sha256"
    ]


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "vit_small_patch14_dinov2"])
def test_fingerprint__other_size(
    lite0_checkpoint: Path, dinov2_checkpoint: Path, backbone: str
) -> None:
    """Another image size is another space, of the same weights even where they are resampled."""
    file = dinov2_checkpoint if backbone.startswith("vit") else lite0_checkpoint
    small, large = (fingerprint(file, backbone=backbone, image_size=size) for size in (98, 112))
    assert [name for name, _, _ in small.differences(large)] == ["image_size", "preprocessing"]


def test_fingerprint__fields(lite0_checkpoint: Path) -> None:
    """What is recorded of a space."""
    seen = fingerprint(lite0_checkpoint)
    assert seen.to_dict() | {"weights_sha256": "..."} == {
        "backbone": "tf_efficientnet_lite0",
        "weights_sha256": "...",
        "image_size": 224,
        "preprocessing": (
            "resize 256 bicubic, center crop 224, mean 0.5,0.5,0.5, std 0.5,0.5,0.5, decoder 1"
        ),
        "pooling": "default",
        "normalisation": "l2",
        "dimension": 1280,
    }
    assert len(seen.weights_sha256) == 64


def test_checkpoint__missing(tmp_path: Path) -> None:
    """A file that is not there."""
    assert refused(tmp_path / "no.pth") == (
        f"checkpoint {tmp_path}/no.pth does not exist or is not a file"
    )


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_checkpoint__damaged(tmp_path: Path, name: str) -> None:
    """A file that is no checkpoint."""
    (tmp_path / name).write_bytes(b"not a checkpoint at all")
    assert refused(tmp_path / name).startswith(f"checkpoint {tmp_path}/{name} cannot be read")


def test_checkpoint__cut(lite0_checkpoint: Path, tmp_path: Path) -> None:
    """A download that stopped halfway."""
    whole = lite0_checkpoint.read_bytes()
    (tmp_path / "w.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in refused(tmp_path / "w.safetensors")


class Bomb:
    """Unpickling this would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # torch, of the strange file
def test_checkpoint__code_is_never_run(tmp_path: Path, *, legacy: bool) -> None:
    """A pickle that holds more than tensors is refused, and nothing in it runs."""
    path, target = tmp_path / "w.pth", tmp_path / "it-ran"
    if legacy:
        path.write_bytes(pickle.dumps(Bomb(target)))
    else:
        torch.save({"w": torch.zeros(1), "evil": Bomb(target)}, path)
    assert "cannot be read as plain tensors" in refused(path)
    assert not target.exists()


def test_checkpoint__holds_no_tensors(tmp_path: Path) -> None:
    """A file of settings is not a file of weights."""
    torch.save({"lr": 0.1}, tmp_path / "w.pth")
    assert refused(tmp_path / "w.pth") == f"checkpoint {tmp_path}/w.pth holds no state dict"


def test_checkpoint__of_another_backbone(lite0_checkpoint: Path) -> None:
    """Weights of another network are refused, with what to do."""
    said = refused(lite0_checkpoint, backbone="resnet18")
    assert said.startswith(f"checkpoint {lite0_checkpoint} does not fit backbone resnet18: ")
    assert re.search(r': \d+ tensors, such as "conv1.weight", missing, left over or of', said)
    assert said.count('"') == 2
    assert said.endswith("Name the backbone that the file was made for with --backbone")


def test_checkpoint__incomplete(state: StateDict, tmp_path: Path) -> None:
    """One missing tensor would leave random weights behind: it is refused and named."""
    del state["blocks.3.1.bn2.weight"]
    save_file(state, tmp_path / "w.safetensors")
    assert '"blocks.3.1.bn2.weight"' in refused(tmp_path / "w.safetensors")
