"""What is not pixels never decides about a picture: markers, metadata, a header's product."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from holotype.errors import BrokenImage
from holotype.images.decode import FEW_BITS, decode
from holotype.images.picture import read_picture
from holotype.images.recipe import Recipe
from tests.holotype.images.make import corners, encoded, photo, quarters


def reason(data: bytes) -> str:
    """Why it is refused."""
    with pytest.raises(BrokenImage) as caught:
        decode(data, at_least=448)
    return caught.value.reason


def pixels(data: bytes) -> bytes:
    """As decoded."""
    return decode(data).image.tobytes()


JPEGS = {
    "plain": {"quality": 95},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "optimised": {"optimize": True, "subsampling": 0},
}


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("kind", JPEGS)
def test_end_marker__missing(kind: str, lost: int) -> None:
    """A JPEG that lacks its end marker, or half of it, is whole; also decoded small."""
    data = encoded(photo(), "JPEG", **JPEGS[kind])
    assert pixels(data[:-lost]) == pixels(data)
    small = decode(data[:-lost], at_least=100)
    assert small.reduction == 4
    assert small.image.tobytes() == decode(data, at_least=100).image.tobytes()


@pytest.mark.parametrize("padding", [0, 1, 3, 5000])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.97, 0.999])
@pytest.mark.parametrize("kind", JPEGS)
def test_end_marker__and_more_is_missing(kind: str, part: float, padding: int) -> None:
    """A JPEG that was cut, or cut and padded with zeros, is truncated."""
    data = encoded(photo(), "JPEG", **JPEGS[kind])
    cut = data[: int(len(data) * part)] + bytes(padding)
    assert reason(cut) == "truncated JPEG: the file ends before the picture does"


def test_end_marker__a_progressive_file_without_its_last_scans() -> None:
    """A progressive JPEG that ends between two scans lacks detail everywhere: truncated."""
    data = encoded(photo(), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert reason(data[: data.rindex(b"\xff\xc4", 0, starts[-1])]).startswith("truncated JPEG")


def with_chunks(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with more chunks before its pixels; their checksums are wrong."""
    packed = b"".join(
        struct.pack(">I", len(body)) + kind + body + bytes(4) for kind, body in chunks
    )
    return data[:33] + packed + data[33:]


@pytest.mark.parametrize(
    "chunk",
    [
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<history/>" * 200_000)),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(90_000_000))),
        (b"tEXt", b"Comment\0" + bytes(3_000_000)),
        (b"iCCP", b"profile\0\0" + zlib.compress(bytes(30_000_000))),
        (b"iCCP", b"profile\0\0nonsense"),
        (b"tEXt", b"Raw profile type exif\0\nexif\n  40\nnot hex"),
        (b"eXIf", b"nonsense"),
        (b"pHYs", b""),
        (b"gAMA", b""),
        (b"acTL", struct.pack(">II", 2, 0)),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
def test_metadata__of_a_png(chunk: tuple[bytes, bytes]) -> None:
    """Large, damaged or odd chunks beside the pixels are passed over."""
    data = encoded(photo().resize((64, 48)), "PNG")
    assert pixels(with_chunks(data, chunk)) == pixels(data)


def test_metadata__orientation_in_text() -> None:
    """An orientation that stands in a PNG's text, as ImageMagick keeps it, is applied."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    block = exif.tobytes()
    lines = ["", "exif", f"{len(block):8}", block.hex()]
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "\n".join(lines), zip=True)
    decoded = decode(encoded(quarters(), "PNG", pnginfo=info))
    assert (decoded.width, decoded.height) == (24, 40)


def exif_block(order: str, kind: int, value: bytes, *, after: bytes = b"") -> bytes:
    """An EXIF block of one orientation, in this type."""
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(f"{order}2sHIH", mark, 42, 8, 40)  # it promises 40 fields and has one
    return (
        b"Exif\0\0"
        + head
        + struct.pack(f"{order}HHI", 274, kind, 1)
        + value.ljust(4, b"\0")
        + after
    )


@pytest.mark.parametrize(
    "exif",
    [
        exif_block("<", 3, b"\6\0"),
        exif_block(">", 3, b"\0\6"),
        exif_block("<", 1, b"\6"),
        exif_block("<", 4, b"\6\0\0\0"),
        exif_block("<", 3, b"\6\0", after=b"\xff" * 70),
    ],
    ids=["little", "big", "byte", "long", "garbage-after"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata__orientation_of_a_damaged_block(kind: str, exif: bytes) -> None:
    """What can be read of a cut or odd EXIF block counts, whatever its type."""
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(encoded(quarters(), kind, exif=exif, **options))
    assert (decoded.width, decoded.height) == (24, 40)
    assert corners(decoded.image) == ["blue", "red", "white", "green"]


@pytest.mark.parametrize("exif", [exif_block("<", 3, b"\x09\0"), b"Exif\0\0", b"Exif\0\0II*\0\xff"])
def test_metadata__no_orientation(exif: bytes) -> None:
    """A value that means nothing turns nothing."""
    assert decode(encoded(quarters(), "JPEG", exif=exif)).width == 40


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_metadata__damaged_in_boxes(kind: str) -> None:
    """A damaged EXIF block in a HEIC or AVIF does not make its pixels unreadable."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Artist] = 6, "somebody"
    data = encoded(quarters(), kind, exif=exif.tobytes(), quality=95)
    at = data.rindex(b"II*\0") if b"II*\0" in data else data.rindex(b"MM\0*")
    spoilt = data[:at] + b"junk" + data[at + 4 :]
    decoded = decode(spoilt)
    assert (decoded.width, decoded.height) == (24, 40)
    assert corners(decoded.image) == ["blue", "red", "white", "green"]


def test_large__a_photograph_of_108_megapixels() -> None:
    """A large JPEG costs what is decoded of it: it is read small, and refused in full."""
    file = io.BytesIO()
    quarters(12_000, 9_000).save(file, "JPEG", quality=60)
    recipe = Recipe(64, 1.0, "bicubic", "center", (0.5,) * 3, (0.5,) * 3)
    picture = read_picture(file.getvalue(), recipe)
    assert (picture.width, picture.height) == (12_000, 9_000)
    with pytest.raises(BrokenImage, match="at most 89 million are read"):
        decode(file.getvalue())


def test_large__by_the_setting() -> None:
    """The bound is a setting: of what is decoded, and four times as much that is gone over."""
    data = encoded(quarters(2_000, 1_000), "JPEG")
    said = "too costly: 2000 x 1000 pixels, at most 1 million are read"
    with pytest.raises(BrokenImage, match=said):
        decode(data, max_pixels=10**6)
    assert decode(data, max_pixels=2 * 10**6).image.size == (2_000, 1_000)
    assert decode(data, max_pixels=10**6, at_least=400).image.size == (1_000, 500)
    with pytest.raises(BrokenImage, match="at most 1 million are read"):
        decode(data, max_pixels=300_000, at_least=10)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF"])
def test_transparent__everywhere(kind: str) -> None:
    """A picture that shows nothing is not white paper."""
    image = Image.new("RGBA", (9, 9), (10, 20, 30, 0))
    options = {"lossless": True} if kind == "WEBP" else {}
    assert reason(encoded(image, kind, **options)) == "fully transparent: it shows nothing"


def test_transparent__but_for_one_pixel() -> None:
    """One pixel that shows makes a picture."""
    image = Image.new("RGBA", (3, 1), (10, 20, 30, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    seen = np.asarray(decode(encoded(image, "PNG")).image)[0, :, 0].tolist()
    assert seen == [255, 10, 255]


def test_transparent__bmp() -> None:
    """The fourth byte of a BMP, 0 throughout, is one that its writer did not mean."""
    image = Image.new("RGBA", (3, 2), (10, 20, 30, 0))
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 124, 3, 2, 1, 32, 3, 24, 0, 0, 0, 0) + masks + b"BGRs"
    body = head.ljust(124, b"\0") + image.tobytes("raw", "BGRA")
    data = b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 138) + body
    assert np.asarray(decode(data).image)[0].tolist() == [[10, 20, 30]] * 3


@pytest.mark.parametrize(
    "start",
    [b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0\0\0", b"IIU\0\x18\0\0\0", b"\0\0\0\x18ftypcrx \0\0\0\1"],
    ids=["raf", "orf", "rw2", "cr3"],
)
def test_raw__of_makers_with_a_signature(start: bytes) -> None:
    """A camera's raw file that is no TIFF is named as one, too."""
    assert reason(start + bytes(200)) == (
        "a camera's raw file, which is not read: export the picture as TIFF or JPEG"
    )


def test_few_bits__png() -> None:
    """Ten bits in a 16-bit PNG are noted; eight bits as dark as those are not."""
    values = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    assert decode(encoded(Image.fromarray(values), "PNG")).note == FEW_BITS
    assert decode(encoded(Image.fromarray(values * 64), "PNG")).note is None
    assert decode(encoded(Image.fromarray((values >> 8).astype(np.uint8)), "PNG")).note is None
