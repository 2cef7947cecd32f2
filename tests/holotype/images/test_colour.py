"""Every colour layout becomes 8-bit RGB by a stated rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from holotype.errors import BrokenImage
from holotype.images.decode import decode
from tests.holotype.images.make import encoded


def rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """(H, W, 3) that the decoder makes of a file."""
    return np.asarray(decode(data).image)


def ramp16() -> npt.NDArray[np.uint16]:
    """(32, 64) from 0 to 65535."""
    return np.linspace(0, 65535, 64 * 32).astype(np.uint16).reshape(32, 64)


def tiff(values: npt.NDArray[Any]) -> bytes:
    """A TIFF of these values, in their own type."""
    return encoded(Image.fromarray(values), "TIFF")


def test_grey__repeated() -> None:
    """Grey is the same in all three channels."""
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (rgb(encoded(Image.fromarray(values), "PNG")) == values[..., None]).all()


def test_bilevel__black_and_white() -> None:
    """One bit a pixel becomes 0 and 255."""
    values = np.array([[True, False], [False, True]])
    expected = np.where(values, 255, 0)[..., None]
    assert (rgb(encoded(Image.fromarray(values), "PNG")) == expected).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey16__scaled_not_clipped(kind: str) -> None:
    """0..65535 becomes 0..255 over the whole range: nothing above 255 is cut off."""
    values = ramp16()
    seen = rgb(encoded(Image.fromarray(values), kind)).astype(int)
    assert (np.abs(seen - values[..., None] / 257) <= 1).all()
    assert len(np.unique(seen)) == 256


def test_grey16__big_endian() -> None:
    """The file's byte order does not matter."""
    values = ramp16()
    little = tiff(values)
    swapped = Image.frombytes("I;16B", (64, 32), values.astype(">u2").tobytes())
    assert (rgb(encoded(swapped, "TIFF")) == rgb(little)).all()


def test_rgb16__scaled_not_clipped() -> None:
    """16-bit colour is scaled by the same rule as 16-bit grey."""
    png = _png_rgb16(np.stack([ramp16(), ramp16()[::-1], ramp16() // 2], axis=-1))
    seen = rgb(png).astype(int)
    assert (np.abs(seen[..., 0] - ramp16() / 257) <= 1).all()
    assert (np.abs(seen[..., 2] - ramp16() / 514) <= 1).all()


def _png_rgb16(values: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit RGB PNG, which Pillow reads but does not write."""
    import struct
    import zlib

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_float__unit_range() -> None:
    """Floats in [0, 1] are scaled by 255, even where they do not use the whole range."""
    values = np.linspace(0.2, 0.6, 64, dtype=np.float32).reshape(8, 8)
    assert (np.abs(rgb(tiff(values)) - values[..., None] * 255) <= 0.5).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_wide__stretched(dtype: Any) -> None:
    """Other floats and 32-bit integers are stretched from their minimum to their maximum."""
    values = np.linspace(-4000, 90_000, 64).astype(dtype).reshape(8, 8)
    seen = rgb(tiff(values))
    assert (seen.min(), seen.max()) == (0, 255)
    assert (np.diff(seen[..., 0].ravel().astype(int)) >= 0).all()


def test_wide__flat() -> None:
    """A constant picture without an agreed white is black, not an error."""
    assert (rgb(tiff(np.full((4, 4), 7.5, np.float32))) == 0).all()


def test_float__not_finite() -> None:
    """Values that are not finite become black; the others keep their rule."""
    values = np.array([[0.0, 1.0], [np.nan, np.inf]], np.float32)
    assert rgb(tiff(values))[..., 0].tolist() == [[0, 255], [0, 0]]


def test_float__nothing_finite() -> None:
    """A picture of NaN alone is broken, with its own reason."""
    with pytest.raises(BrokenImage, match=r"^no finite pixel value$"):
        decode(tiff(np.full((4, 4), np.nan, np.float32)))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha__over_white(mode: str) -> None:
    """A transparent pixel is white, a half-transparent one halfway there, an opaque one itself."""
    image = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (0, 0, 0, alpha))
    seen = rgb(encoded(image.convert(mode), "PNG"))[0, :, 0].tolist()
    assert seen == [255, pytest.approx(127, abs=1), 0]


def test_palette__colours() -> None:
    """A palette picture shows the palette's colours."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert rgb(encoded(image, "PNG"))[0].tolist() == [[10, 20, 30], [200, 100, 50]]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette__transparent_entry(kind: str) -> None:
    """A transparent palette entry is white, whatever colour it hides."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    seen = rgb(encoded(image, kind, transparency=1))[0].tolist()
    assert seen == [[10, 20, 30], [255, 255, 255]]


@pytest.mark.parametrize(("mode", "key"), [("RGB", (10, 20, 30)), ("L", 10)])
def test_transparent_colour__white(mode: str, key: Any) -> None:
    """A PNG's transparent colour is white in pictures without an alpha channel too."""
    image = Image.new(mode, (2, 1), key)
    image.putpixel((1, 0), 77 if mode == "L" else (77, 77, 77))
    seen = rgb(encoded(image, "PNG", transparency=key))[0].tolist()
    assert seen == [[255, 255, 255], [77, 77, 77]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk__inks_become_colours(kind: str) -> None:
    """Full cyan shows as cyan, no ink as white, black ink as black."""
    image = Image.new("CMYK", (48, 16))
    for x, inks in enumerate([(255, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 255)]):
        image.paste(inks, (16 * x, 0, 16 * x + 16, 16))
    seen = rgb(encoded(image, kind))[8, 8::16].astype(int)
    expected = np.array([[0, 255, 255], [255, 255, 255], [0, 0, 0]])
    assert (np.abs(seen - expected) <= 3).all()
