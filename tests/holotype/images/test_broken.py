"""What cannot be used is broken, each way with its own short reason."""

from __future__ import annotations

import random
import struct
import sys
import warnings
import zlib

import pytest

from holotype.errors import BrokenImage
from holotype.images.cost import MAX_PIXELS
from holotype.images.decode import decode
from tests.holotype.images.make import encoded, photo, quarters

WRITABLE = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"]


def reason(data: bytes) -> str:
    """Why these bytes are refused."""
    with pytest.raises(BrokenImage) as caught:
        decode(data, at_least=100)
    assert caught.value.reason == str(caught.value)
    return caught.value.reason


def test_broken__empty() -> None:
    """A file of no bytes."""
    assert reason(b"") == "empty file"


@pytest.mark.parametrize(
    "data", [b"label,path\n", b"%PDF-1.7", b"\0" * 64, b"PK\3\4", b"<svg/>", b"\xff"]
)
def test_broken__not_a_picture(data: bytes) -> None:
    """Another kind of file names the formats that are read."""
    assert reason(data) == (
        "not a picture in a supported format (JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF)"
    )


def test_broken__heic_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pillow-heif is not installed, a HEIC is broken, and the command that helps is named."""
    data = encoded(photo(), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(sys.modules, "pillow_heif.as_plugin", raising=False)
    assert reason(data) == (
        "a HEIC, and the library that reads them is not installed: pip install pillow-heif"
    )


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("kind", WRITABLE)
def test_broken__truncated(kind: str, part: float) -> None:
    """A file that ends early is refused even where half a picture could be shown."""
    data = encoded(photo().resize((320, 214)), kind)
    name = {"WEBP": "WebP", "HEIF": "HEIC"}.get(kind, kind)
    cut = data[: int(len(data) * part)]
    assert reason(cut) == f"truncated {name}: the file ends before the picture does"


def test_broken__damaged_inside() -> None:
    """A complete file with a damaged middle says what the parser met."""
    data = bytearray(encoded(photo(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert reason(bytes(data)) == (
        "damaged PNG: unrecognized data stream contents when reading image file"
    )


def test_broken__header_only_nonsense() -> None:
    """A signature followed by garbage is damage, not a crash."""
    assert reason(b"BM" + b"\x01" * 100 + b"BM").startswith(("damaged BMP", "truncated BMP"))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (MAX_PIXELS + 1, 1), (9_460, 9_460)])
def test_broken__bomb(size: tuple[int, int]) -> None:
    """A picture of too many pixels is refused from its header, without a warning on the side."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = reason(png_header(*size))
    width, height = size
    assert (
        said == f"too costly: {width} x {height} pixels, at most 89 million are read "
        "(setting HOLOTYPE_MAX_MEGAPIXELS)"
    )


def test_broken__bomb_limit_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's process-wide limit is neither needed nor changed."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode(encoded(quarters(), "PNG")).image.size == (40, 24)
    monkeypatch.undo()
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("kind", WRITABLE)
def test_broken__mutated_files_never_escape(kind: str) -> None:
    """Whatever bytes are changed, the answer is a picture or a reason, never another error."""
    sound = encoded(quarters(), kind)
    rng = random.Random(0)
    for _ in range(150):
        data = bytearray(sound)
        for _ in range(rng.choice((1, 2, 5, 20))):
            near_start = rng.random() < 0.7
            data[rng.randrange(min(len(data), 400) if near_start else len(data))] = rng.randrange(
                256
            )
        said = outcome(bytes(data))
        assert 2 <= len(said) <= 200
        assert "\n" not in said


def outcome(data: bytes) -> str:
    """Either `ok` or the reason."""
    try:
        decode(data, at_least=10)
    except BrokenImage as error:
        return error.reason
    return "ok"
