"""Files in, upright RGB out."""

from __future__ import annotations

import pytest
from PIL import ExifTags, Image

from holotype.images.decode import decode
from tests.holotype.images.make import corners, encoded, large_photo, photo, quarters

FORMATS = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {},
    "WEBP": {"quality": 95},
    "TIFF": {},
    "BMP": {},
    "GIF": {},
    "HEIF": {"quality": 95},
    "AVIF": {"quality": 95, "speed": 9},
}


@pytest.mark.parametrize("kind", FORMATS)
def test_decode__every_format(kind: str) -> None:
    """Each supported format gives the picture in RGB with its size."""
    decoded = decode(encoded(quarters(), kind, **FORMATS[kind]))
    assert decoded.image.mode == "RGB"
    assert (decoded.width, decoded.height) == decoded.image.size == (40, 24)
    assert corners(decoded.image) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "jpeg"}])
def test_decode__compressed_tiff(options: dict[str, str]) -> None:
    """TIFF files are read whichever way they are packed."""
    decoded = decode(encoded(quarters(), "TIFF", **options))
    assert corners(decoded.image) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_decode__first_frame(kind: str) -> None:
    """Of an animation or a stack of pages the first counts."""
    other = Image.new("RGB", (40, 24), "black")
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(quarters(), kind, save_all=True, append_images=[other], **options)
    assert corners(decode(data).image) == ["red", "green", "blue", "white"]


UPRIGHT = {
    1: ["red", "green", "blue", "white"],
    2: ["green", "red", "white", "blue"],
    3: ["white", "blue", "green", "red"],
    4: ["blue", "white", "red", "green"],
    5: ["red", "blue", "green", "white"],
    6: ["blue", "red", "white", "green"],
    7: ["white", "green", "blue", "red"],
    8: ["green", "white", "red", "blue"],
}
"""Corners after orientation n is applied to `quarters`, by the EXIF standard's table."""


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_decode__orientation(kind: str, orientation: int) -> None:
    """The EXIF orientation is applied, and width and height are those of the upright picture."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    decoded = decode(encoded(quarters(), kind, exif=exif, **FORMATS[kind]))
    size = (24, 40) if orientation >= 5 else (40, 24)
    assert corners(decoded.image) == UPRIGHT[orientation]
    assert (decoded.width, decoded.height) == decoded.image.size == size


def test_decode__orientation_heic() -> None:
    """A rotated HEIC is upright too, and is turned once, not twice."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    decoded = decode(encoded(quarters(), "HEIF", exif=exif.tobytes(), quality=95))
    assert corners(decoded.image) == UPRIGHT[6]
    assert (decoded.width, decoded.height) == (24, 40)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")  # Pillow says so on the side
@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_decode__unreadable_metadata(exif: bytes) -> None:
    """Broken metadata does not make a sound picture broken."""
    decoded = decode(encoded(quarters(), "JPEG", exif=exif, subsampling=0))
    assert corners(decoded.image) == ["red", "green", "blue", "white"]


def test_decode__reduces_jpeg_to_what_is_needed() -> None:
    """A large JPEG is decoded small where that suffices; its true size is still reported."""
    data = encoded(large_photo(), "JPEG", quality=90)
    decoded = decode(data, at_least=448)
    assert decoded.reduction == 2
    assert decoded.image.size == (960, 641)
    assert (decoded.width, decoded.height) == (1920, 1281)


@pytest.mark.parametrize("at_least", [1, 107, 200, 427, 428, 10_000])
def test_decode__never_smaller_than_asked(at_least: int) -> None:
    """Reduction stops before the side that is needed, and nothing is ever enlarged."""
    decoded = decode(encoded(photo(), "JPEG"), at_least=at_least)
    assert min(decoded.image.size) >= min(at_least, 427)
    assert decoded.image.size[0] == -(-640 // decoded.reduction)


def test_decode__reduced_and_turned() -> None:
    """Reduction and orientation work together."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(quarters(1600, 960), "JPEG", exif=exif)
    decoded = decode(data, at_least=200)
    assert corners(decoded.image) == UPRIGHT[6]
    assert decoded.image.size == (240, 400)
    assert (decoded.width, decoded.height, decoded.reduction) == (960, 1600, 4)
