"""Batch norm is folded away where, and only where, that changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from holotype.encoder.backbone import load_backbone
from holotype.encoder.folding import fold_batch_norm


def norms(network: nn.Module) -> int:
    """How many batch norms a network has."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def alike(a: nn.Module, b: nn.Module, size: int = 16) -> float:
    """Cosine between the features of two networks on a fixed picture."""
    picture = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return float(
            nn.functional.cosine_similarity(
                a.forward_features(picture).flatten(), b.forward_features(picture).flatten(), dim=0
            )
        )


def test_folding__real_weights(lite0_checkpoint: Path) -> None:
    """Every norm of EfficientNet-Lite0 goes, and the features stay to 6 digits."""
    network = load_backbone("tf_efficientnet_lite0", lite0_checkpoint)
    folded = fold_batch_norm(network, 96)
    assert (norms(network), norms(folded)) == (49, 0)
    assert alike(network, folded, 96) > 0.999999


def test_folding__nothing_to_fold() -> None:
    """A network without batch norm is returned as it is, not copied."""
    network = Net(nn.Conv2d(3, 4, 3))
    assert fold_batch_norm(network, 16) is network


class Net(nn.Module):
    """A chain of modules."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.chain = nn.Sequential(*modules)
        torch.manual_seed(0)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2)
        self.eval().requires_grad_(requires_grad=False)

    def forward_features(self, picture: torch.Tensor) -> torch.Tensor:
        return self.chain(picture)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 3])
def test_folding__convolution_kinds(groups: int, *, bias: bool) -> None:
    """With and without bias, dense and grouped."""
    network = Net(nn.Conv2d(3, 6, 3, bias=bias, groups=groups), nn.BatchNorm2d(6), nn.ReLU())
    folded = fold_batch_norm(network, 16)
    assert norms(folded) == 0
    assert alike(network, folded) > 0.999999


def test_folding__norm_first_stays() -> None:
    """A norm that does not follow a convolution is left alone."""
    network = Net(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))
    folded = fold_batch_norm(network, 16)
    assert norms(folded) == 2
    assert alike(network, folded) == pytest.approx(1)


def test_folding__shared_modules_stay() -> None:
    """A convolution that runs twice, with different norms, carries neither."""
    convolution = nn.Conv2d(3, 3, 3, padding=1)
    network = Net(convolution, nn.BatchNorm2d(3), convolution, nn.BatchNorm2d(3))
    assert norms(fold_batch_norm(network, 16)) == 2


class Branch(Net):
    """Uses the convolution's output a second time, before the norm."""

    def forward_features(self, picture: torch.Tensor) -> torch.Tensor:
        raw = self.chain[0](picture)
        return raw - 3 * self.chain[1](raw)


def test_folding__disagreement_keeps_the_original() -> None:
    """Where folding would change the function, the measured disagreement prevents it."""
    network = Branch(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert fold_batch_norm(network, 16) is network


class Counting(Net):
    """Notes how many threads torch has when it runs."""

    def forward_features(self, picture: torch.Tensor) -> torch.Tensor:
        self.chain[0].threads = torch.get_num_threads()
        return super().forward_features(picture)


def test_folding__one_thread() -> None:
    """Folding runs in one thread: with two, each small operation waits on a busy machine."""
    torch.set_num_threads(2)
    try:
        folded = fold_batch_norm(Counting(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), 16)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert norms(folded) == 0
    assert folded.chain[0].threads == 1
