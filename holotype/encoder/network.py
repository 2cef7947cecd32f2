"""The whole function from 8-bit pixels to unit vectors as one torch module."""

from __future__ import annotations

import torch
from torch import nn

from holotype.encoder.pooling import make_pool
from holotype.images.recipe import Recipe
from holotype.settings import Pooling


class EmbeddingNetwork(nn.Module):
    """Normalisation, backbone, pooling, L2: everything that runs on the device."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: nn.Module, recipe: Recipe, pooling: Pooling) -> None:
        super().__init__()
        self.backbone = backbone
        self._pool = make_pool(backbone, pooling)
        # In units of 0..255: one subtraction and one division less than scaling first.
        self.register_buffer("mean", _per_channel(recipe.mean), persistent=False)
        self.register_buffer("std", _per_channel(recipe.std), persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed.

        Args:
            pixels: (N, S, S, 3) uint8.

        Returns:
            (N, D) float32, unit rows.
        """
        return nn.functional.normalize(self.pooled(pixels), dim=1)

    def pooled(self, pixels: torch.Tensor) -> torch.Tensor:
        """The backbone's own vectors, (N, D) float32, before they are brought to unit length."""
        # The view is channels-last in memory, as pictures are; arithmetic keeps that layout.
        values = pixels.permute(0, 3, 1, 2).to(self.mean.dtype)
        values = (values - self.mean) / self.std
        features = self.backbone.forward_features(values)  # type: ignore[operator]
        return self._pool(features).float()


def _per_channel(values: tuple[float, float, float]) -> torch.Tensor:
    return 255.0 * torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
