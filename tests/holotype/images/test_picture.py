"""One file to pixels, size and thumbnail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image

from holotype.errors import BrokenImage
from holotype.images.picture import read_picture
from holotype.images.recipe import Recipe
from tests.holotype.images.make import corners, encoded, large_photo, photo, quarters

RECIPE = Recipe(64, 1.0, "bicubic", "center", (0.5,) * 3, (0.5,) * 3)


def opened(thumbnail: bytes) -> Image.Image:
    """The picture in a thumbnail, which must be a JPEG."""
    image = Image.open(BytesIO(thumbnail))
    image.load()
    assert image.format == "JPEG"
    return image


def test_read_picture__everything_a_reference_needs() -> None:
    """Pixels for the encoder, the true size, and a small JPEG of the whole picture."""
    picture = read_picture(encoded(large_photo(), "JPEG"), replace(RECIPE, image_size=224))
    assert picture.pixels.shape == (224, 224, 3)
    assert picture.pixels.dtype == np.uint8
    assert (picture.width, picture.height) == (1920, 1281)
    thumbnail = opened(picture.thumbnail)
    assert thumbnail.size == (512, pytest.approx(341, abs=1))
    assert len(picture.thumbnail) < 60_000


def test_read_picture__a_thumbnail_as_large_as_is_asked() -> None:
    """The side is a setting; the pixels for the encoder are the same."""
    data = encoded(large_photo(), "JPEG")
    small = read_picture(data, replace(RECIPE, thumbnail_side=128))
    assert opened(small.thumbnail).size == (128, pytest.approx(85, abs=1))
    assert len(small.thumbnail) < 8_000
    assert np.array_equal(small.pixels, read_picture(data, RECIPE).pixels)


def test_read_picture__upright_thumbnail() -> None:
    """The thumbnail stands upright and carries no metadata of its source."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "somebody"
    picture = read_picture(encoded(quarters(400, 240), "JPEG", exif=exif), RECIPE)
    thumbnail = opened(picture.thumbnail)
    assert thumbnail.size == (240, 400)
    assert corners(thumbnail) == ["blue", "red", "white", "green"]
    assert b"somebody" not in picture.thumbnail


def test_read_picture__small_stays_small() -> None:
    """A small picture is not enlarged for its thumbnail."""
    picture = read_picture(encoded(quarters(40, 24), "PNG"), RECIPE)
    assert opened(picture.thumbnail).size == (40, 24)
    assert picture.pixels.shape == (64, 64, 3)


def test_read_picture__needle() -> None:
    """The thinnest picture still has a thumbnail of one pixel's width."""
    picture = read_picture(encoded(Image.new("RGB", (5_000, 2)), "PNG"), RECIPE)
    assert opened(picture.thumbnail).size == (512, 1)


def test_read_picture__broken() -> None:
    """A broken file ends in its reason."""
    with pytest.raises(BrokenImage, match="truncated JPEG"):
        read_picture(encoded(photo(), "JPEG")[:5_000], RECIPE)


def test_read_picture__threads_agree() -> None:
    """Many threads at once give what one gives, HEIC included."""
    files = [encoded(quarters(90 + i, 80), kind) for i in range(6) for kind in ("JPEG", "HEIF")]
    alone = [read_picture(data, RECIPE) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: read_picture(data, RECIPE), files * 5))
    for i, picture in enumerate(together):
        assert (picture.pixels == alone[i % len(files)].pixels).all()
        assert picture.thumbnail == alone[i % len(files)].thumbnail
