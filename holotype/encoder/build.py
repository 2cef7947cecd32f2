"""Settings to encoder: the composition of this package's parts."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from holotype.encoder import pooling
from holotype.encoder.backbone import (
    Create,
    create,
    load_backbone,
    network_config,
    set_image_size,
)
from holotype.encoder.cpu_threads import Lanes
from holotype.encoder.cuda import CudaSlots
from holotype.encoder.folding import fold_batch_norm
from holotype.encoder.forward import Forward, cast_products
from holotype.encoder.network import EmbeddingNetwork
from holotype.encoder.placement import Placement, choose_placement
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.encoder.timm_import import timm
from holotype.encoder.vit_fast_path import rewrite
from holotype.encoder.weights import weights_sha256
from holotype.errors import EncoderError
from holotype.fingerprint import Fingerprint
from holotype.images.cost import pixels_allowed
from holotype.images.recipe import THUMBNAIL_SIDE, Recipe
from holotype.settings import Pooling, Settings


def build_encoder(settings: Settings, *, create: Create = create) -> TimmEncoder:
    """See `holotype.encoder.load_encoder`."""
    placement = choose_placement(settings.device, settings.precision)
    backbone = load_backbone(settings.backbone, settings.checkpoint, create=create)
    # Before the size changes: resampled position embeddings would differ in their last bits
    # between machines, and the size has its own place in the fingerprint.
    digest = weights_sha256(backbone)
    recipe = replace(
        recipe_of(backbone, settings.image_size),
        max_pixels=pixels_allowed(settings.max_megapixels),
        thumbnail_side=settings.thumbnail_px or THUMBNAIL_SIDE,
    )
    set_image_size(backbone, recipe.image_size)
    folded = fold_batch_norm(backbone, recipe.image_size)
    rewrite(
        folded,
        class_token_only=pooling.pooling_name(backbone, settings.pooling) == Pooling.CLS,
        in_place=placement.device.type == "cpu",
    )
    network = EmbeddingNetwork(folded, recipe, settings.pooling)
    fingerprint = Fingerprint(
        backbone=network_config(backbone)["architecture"],
        weights_sha256=digest,
        image_size=recipe.image_size,
        preprocessing=recipe.describe(),
        pooling=pooling.pooling_name(backbone, settings.pooling),
        normalisation="l2",
        dimension=pooling.dimension(backbone, settings.pooling),
    )
    network.eval().to(placement.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it
    if placement.bf16:
        cast_products(network)
    forward = Forward(network, placement, compiled=settings.compile)
    encoder = TimmEncoder(
        forward,
        fingerprint=fingerprint,
        recipe=recipe,
        batch_size=settings.batch_size or placement.batch_size,
        lanes=None if settings.compile else _lanes(placement),
        slots=CudaSlots(forward, recipe.image_size) if placement.is_cuda else None,
    )
    if settings.compile:
        _compile(encoder)
    return encoder


def _lanes(placement: Placement) -> Lanes | None:
    threads = torch.get_num_threads()
    return Lanes(threads) if placement.device.type == "cpu" and threads > 1 else None


def _compile(encoder: TimmEncoder) -> None:
    try:
        encoder.warm_up()
    except RuntimeError as error:  # what all errors of torch's compiler are
        reason = str(error).strip().partition("\n")[0]
        raise EncoderError(
            f"this network could not be compiled ({reason}): leave --compile out"
        ) from error


def recipe_of(backbone: nn.Module, image_size: int | None = None) -> Recipe:
    """The evaluation preprocessing that timm declares for these weights."""
    config = timm.data.resolve_model_data_config(backbone)  # type: ignore[attr-defined,no-untyped-call]
    return Recipe(
        image_size=image_size or config["input_size"][-1],
        crop_pct=config["crop_pct"],
        interpolation=config["interpolation"],
        crop_mode=config["crop_mode"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
