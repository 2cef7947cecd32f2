"""Resize and crop in one step equals the plain two steps."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from holotype.images.decode import decode
from holotype.images.recipe import Recipe
from holotype.images.square import square
from tests.holotype.images.make import encoded, large_photo, photo

HALF = (0.5, 0.5, 0.5)


def recipe(size: int = 96, pct: float = 0.875, mode: str = "center") -> Recipe:
    """Like a small backbone's."""
    return Recipe(size, pct, "bicubic", mode, HALF, HALF)


def plain(image: Image.Image, wanted: Recipe) -> np.ndarray:
    """What timm's own evaluation transform gives, as 8-bit pixels."""
    from holotype.encoder.timm_import import timm

    transform = timm.data.create_transform(
        input_size=wanted.image_size,
        crop_pct=wanted.crop_pct,
        crop_mode=wanted.crop_mode,
        interpolation=wanted.interpolation,
        mean=wanted.mean,
        std=wanted.std,
        normalize=False,
    )
    return transform(image).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("pct", [1.0, 0.875])
@pytest.mark.parametrize(
    "size", [(640, 427), (427, 640), (301, 299), (96, 96), (50, 40), (1000, 37), (3, 5), (1, 1)]
)
def test_square__equals_timm(size: tuple[int, int], pct: float, mode: str) -> None:
    """What timm's transform gives up to rounding, for every shape and crop mode."""
    image = photo().resize(size)
    wanted = recipe(pct=pct, mode=mode)
    seen = square(image, wanted)
    assert seen.shape == (96, 96, 3)
    assert seen.dtype == np.uint8
    difference = np.abs(seen.astype(int) - plain(image, wanted))
    # Pillow takes the box in single precision: now and then a value rounds the other way.
    assert difference.max() <= 2
    assert (difference > 0).mean() < 0.002


def test_square__extreme_shape_needs_no_memory() -> None:
    """A line of 100,000 pixels is cut, not first enlarged to a 10-million-pixel ribbon."""
    assert square(Image.new("RGB", (100_000, 1)), recipe()).shape == (96, 96, 3)


def test_square__from_reduced_jpeg_aligned() -> None:
    """A reduced decode gives the same square: no shift, little noise."""
    data = encoded(large_photo(), "JPEG", quality=90)
    full, reduced = decode(data), decode(data, at_least=2 * 109)
    assert reduced.reduction == 4
    ours = square(reduced.image, recipe(), original=(1920, 1281), reduction=4).astype(float)
    reference = square(full.image, recipe()).astype(float)
    assert np.abs(ours - reference).mean() < 1.5
    for axis in (0, 1):
        shifted = np.roll(reference, 1, axis)
        assert np.abs(ours - reference).mean() < 0.2 * np.abs(shifted - reference).mean()


def test_recipe__describe() -> None:
    """Everything that changes a vector is in the line that goes into the fingerprint."""
    assert recipe().describe() == (
        "resize 109 bicubic, center crop 96, mean 0.5,0.5,0.5, std 0.5,0.5,0.5, decoder 1"
    )


@pytest.mark.parametrize(
    ("field", "value"), [("interpolation", "random"), ("crop_mode", "corner"), ("crop_pct", 1.5)]
)
def test_recipe__unknown_value(field: str, value: object) -> None:
    """A recipe that could not be followed is refused when it is made."""
    values = {"interpolation": "bicubic", "crop_mode": "center", "crop_pct": 1.0} | {field: value}
    with pytest.raises(ValueError, match=field.split("_")[0]):
        Recipe(image_size=96, mean=HALF, std=HALF, **values)  # type: ignore[arg-type]
