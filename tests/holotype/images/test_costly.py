"""What a picture may cost is bounded before any pixel is decoded, and our mistakes stay ours."""

from __future__ import annotations

import re
import struct

import pytest
from PIL import Image

from benchmarks.torture.damaged import costly, damaged
from holotype.errors import BrokenImage
from holotype.images import cost
from holotype.images import decode as decoding
from holotype.images.container import examine
from holotype.images.decode import decode
from holotype.images.formats import sniff
from tests.holotype.images.make import encoded, photo, quarters

COSTLY = dict(costly())

SAID = {
    "costly-jpeg-400-scans": "too costly: 400 scans, at most 50 are read of this size",
    "costly-jpeg-million-scans": "too costly: it is in more than 200,000 parts",
    "costly-jpeg-comments": "too costly: it is in more than 200,000 parts",
    "costly-jpeg-fill": "truncated JPEG: the file ends before the picture does",
    "costly-png-column": "too costly: 1 x 89000000 pixels, at most 100,000 on a side are read",
    "costly-png-row": "too costly: 89000000 x 1 pixels, at most 100,000 on a side are read",
    "costly-png-needle": "too costly: 8 x 99999 pixels, one side may be 10,000 times the other",
    "costly-png-chunks": "too costly: it is in more than 200,000 parts",
    "costly-png-text": "",
    "costly-gif-comment": "too costly: it is in more than 200,000 parts",
    "costly-gif-blocks": "too costly: it is in more than 200,000 parts",
    "costly-bmp-runs": "too costly: a run-length coded BMP of more than 4 MiB",
    "costly-tiff-tiles": "too costly: 400000 strips or tiles, at most 100,000",
    "costly-tiff-tags": "damaged TIFF: its tags claim more bytes than the file has",
    "costly-tiff-strip": "",
    "costly-tiff-huge-tile": "too costly: tiles of 3,600 million pixels",
    "costly-webp-large": "too costly: 16384 x 16384 pixels, at most 89 million are read "
    "(setting HOLOTYPE_MAX_MEGAPIXELS)",
    "costly-heic-grid": "too costly: it is put together of 10,486 million pixels",
}


def said_of(data: bytes) -> str:
    """Why it is refused; "" where it is read."""
    try:
        decode(data, at_least=448)
    except BrokenImage as error:
        return error.reason
    return ""


@pytest.mark.parametrize("name", SAID)
def test_costly__refused_before_it_costs(name: str) -> None:
    """What would take minutes or gigabytes is named; metadata that would is passed over."""
    assert said_of(COSTLY[name]) == SAID[name]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
def test_damaged__two_hundred_never_escape() -> None:
    """Files of every format, damaged in every way: a picture or one short reason, nothing else."""
    said = [said_of(data) for _, data in damaged(200, seed=1)]
    assert 40 <= said.count("") <= 160
    assert all(len(reason) <= 200 and "\n" not in reason for reason in said)


def test_scans__as_many_as_encoders_write() -> None:
    """An ordinary progressive photograph is read; its scans are counted up to its own end."""
    data = encoded(photo(), "JPEG", progressive=True)
    assert examine(sniff(data), data + data).scans == 10
    assert said_of(data + data) == ""


def test_scans__in_a_tiff(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scans of JPEG strips in a TIFF count as those of a JPEG."""
    data = encoded(photo(), "TIFF", compression="jpeg")
    assert said_of(data) == ""
    monkeypatch.setattr(cost, "MAX_SCANS", 1)
    spoilt = bytearray(data)
    for found in re.finditer(rb"\xff\xda", data):
        spoilt[found.end() + 40 : found.end() + 42] = b"\xff\xda"
    assert said_of(bytes(spoilt)) == "too costly: 2 scans, at most 1 are read of this size"


def test_memory__counted_from_what_a_decoder_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A progressive JPEG keeps its coefficients until its last scan: that is part of the bound."""
    monkeypatch.setattr(cost, "MAX_MEMORY", 640 * 427 * 12)
    assert said_of(encoded(photo(), "JPEG")) == ""
    assert said_of(encoded(photo(), "JPEG", progressive=True, subsampling=0)) == (
        "too costly: decoding 640 x 427 pixels of this JPEG takes 0.0 GiB of memory, "
        "at most 0.0 are used"
    )


def test_mistakes__of_ours_are_not_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in our own code is not called a damaged picture."""

    def mistaken(_image: Image.Image, **_options: object) -> Image.Image:
        raise TypeError("ours")

    monkeypatch.setattr(decoding, "to_rgb", mistaken)
    with pytest.raises(TypeError, match="ours"):
        decode(encoded(quarters(), "PNG"))


def test_memory__not_enough_is_not_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without memory says so of a picture, and the picture is not called damaged."""

    def greedy(_image: Image.Image, **_options: object) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(decoding, "to_rgb", greedy)
    assert said_of(encoded(quarters(), "PNG")) == (
        "too costly: there is not enough memory to decode it now"
    )


def test_orientation__kept_from_metadata_that_no_parser_sees() -> None:
    """A comment of megabytes is left out, the orientation beside it is kept."""
    exif = Image.Exif()
    exif[274] = 6
    plain = encoded(quarters(), "JPEG", exif=exif)
    comments = (b"\xff\xfe" + struct.pack(">H", 65_535) + bytes(65_533)) * 100
    seen = decode(plain[:2] + comments + plain[2:])
    assert (seen.width, seen.height) == (24, 40)
    assert seen.image.tobytes() == decode(plain).image.tobytes()
