"""A TIFF of any layout shows what its plain 8-bit twin shows."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holotype.errors import BrokenImage
from holotype.images.decode import FEW_BITS, decode
from tests.holotype.images.tiff_files import COMPRESSIONS, Written, tiff_of

Samples = npt.NDArray[Any]


def seen(data: bytes) -> Samples:
    """(H, W, 3) as decoded."""
    return np.asarray(decode(data).image)


def reason(data: bytes) -> str:
    """Why it is refused."""
    with pytest.raises(BrokenImage) as caught:
        decode(data)
    return caught.value.reason


def numbers(shape: tuple[int, ...], bits: int, seed: int = 0) -> Samples:
    """Unsigned ones over the whole range."""
    values = np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=np.uint64)
    values.flat[0], values.flat[-1] = 0, 2**bits - 1
    return values


def eight(values: Samples, bits: int) -> Samples:
    """The rule, spelt out: the highest eight bits; fewer are spread evenly."""
    if bits >= 8:
        return (values >> np.uint64(bits - 8)).astype(int)
    return np.rint(values * (255 / (2**bits - 1))).astype(int)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Samples, Written]:
    """Numbers, and a way to write them."""
    bits = draw(st.integers(1, 16))
    photometric = draw(st.sampled_from([0, 1, 2]))
    extra = draw(st.sampled_from([None, (), (0,), (0, 0)]))
    colours = 3 if photometric == 2 else 1
    samples = colours + (draw(st.integers(0, 2)) if extra is None else len(extra))
    height, width = draw(st.integers(1, 37)), draw(st.integers(1, 37))
    tile = draw(st.sampled_from([None, (16, 16), (32, 16), (16, 48)]))
    compression = draw(st.sampled_from(sorted(COMPRESSIONS)))
    can_predict = bits in {8, 16} and compression in {5, 8, 34925, 50000}
    how = Written(
        bits=bits,
        photometric=photometric,
        big_endian=draw(st.booleans()),
        big_tiff=draw(st.booleans()),
        planar=samples > 1 and draw(st.booleans()),
        tile=tile,
        strip_rows=None if tile else draw(st.integers(1, height)),
        compression=compression,
        predictor=2 if can_predict and draw(st.booleans()) else 1,
        reversed_bits=draw(st.booleans()),
        extra=extra or None,
    )
    return numbers((height, width, samples), bits, draw(st.integers(0, 99))), how


@settings(max_examples=300, deadline=None)
@given(layouts())
def test_unsigned__any_layout_shows_its_plain_twin(case: tuple[Samples, Written]) -> None:
    """Bits, order, planes, tiles, predictor, compression, extra samples: the same picture."""
    values, how = case
    colours = values[..., :3] if how.photometric == 2 else values[..., :1]
    expected = eight(colours, how.bits)
    if how.photometric == 0:
        expected = 255 - expected
    assert (seen(tiff_of(values, how)) == expected).all()


def stretch(values: Samples) -> Samples:
    """The rule of numbers without an agreed white: from the least to the greatest."""
    low, high = float(values.min()), float(values.max())
    return np.rint((values.astype(float) - low) * (255 / (high - low))).astype(int)


@settings(max_examples=100, deadline=None)
@given(
    bits=st.integers(2, 32),
    signed=st.booleans(),
    big_endian=st.booleans(),
    planar=st.booleans(),
    photometric=st.sampled_from([0, 1, 2]),
    compression=st.sampled_from([1, 5, 8]),
)
def test_wide__stretched_over_all_colours(
    bits: int, *, signed: bool, big_endian: bool, planar: bool, photometric: int, compression: int
) -> None:
    """Signed and wide numbers go from their least to their greatest, all colours together."""
    bits = bits if signed else max(bits, 17)
    values = numbers((9, 13, 3), bits).astype(np.int64) - (2 ** (bits - 1) if signed else 0)
    values = values if photometric == 2 else values[..., :1]
    predicted = compression in {5, 8} and bits in {8, 16, 32}
    how = Written(
        bits=bits,
        kind="i" if signed else "u",
        photometric=photometric,
        big_endian=big_endian,
        planar=planar and photometric == 2,
        compression=compression,
        predictor=2 if predicted else 1,
    )
    expected = stretch(values) if photometric else 255 - stretch(values)
    assert (seen(tiff_of(values, how)) == expected).all()


@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([16, 32, 64]),
    big_endian=st.booleans(),
    predictor=st.sampled_from([1, 2, 3]),
    tile=st.sampled_from([None, (16, 16)]),
    samples=st.sampled_from([1, 3]),
)
def test_float__in_every_width(
    bits: int, *, big_endian: bool, predictor: int, tile: tuple[int, int] | None, samples: int
) -> None:
    """Floating point of 0 to 1 is scaled by 255, whatever its width, order and predictor."""
    values = np.random.default_rng(1).random((21, 19, samples)).astype(f"f{bits // 8}")
    how = Written(
        bits=bits,
        kind="f",
        photometric=2 if samples == 3 else 1,
        big_endian=big_endian,
        compression=8,
        predictor=predictor,
        tile=tile,
    )
    expected = np.rint(values.astype(float) * 255)
    assert (np.abs(seen(tiff_of(values, how)) - expected) <= 0).all()


def test_float__white_is_zero_and_not_finite() -> None:
    """White-is-zero floating point is inverted; what is not finite is black all the same."""
    values = np.array([[[0.0], [0.25], [1.0], [np.nan]]], np.float32)
    data = tiff_of(values, Written(bits=32, kind="f", photometric=0))
    assert seen(data)[0, :, 0].tolist() == [255, 191, 0, 0]


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 7, 8, 12, 16])
def test_palette__any_width(bits: int) -> None:
    """An index shows the colour of its map, by the map's high bytes."""
    colours = numbers((3, 2**bits), 16, seed=4)
    values = numbers((11, 14, 1), bits)
    how = Written(bits=bits, photometric=3, more={320: (3, colours.ravel().tolist())})
    expected = (colours.T >> np.uint64(8))[values[..., 0].astype(int)]
    assert (seen(tiff_of(values, how)) == expected).all()


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_alpha__only_where_the_tag_says_so(bits: int, *, planar: bool) -> None:
    """A fourth band is transparency with ExtraSamples 1 or 2, and nothing at all without."""
    values = np.full((6, 6, 4), 2**bits - 1, np.uint64)
    values[..., :3] = 2**bits // 4
    values[..., 3] = 2**bits // 2

    def grey(extra: tuple[int, ...] | None) -> int:
        how = Written(bits=bits, photometric=2, planar=planar, extra=extra)
        return int(seen(tiff_of(values, how))[3, 3, 1])

    assert grey(None) == grey((0,)) == 64
    assert grey((2,)) == pytest.approx(159, abs=1)  # half of 64, half of white
    assert grey((1,)) == pytest.approx(191, abs=1)  # 64 was premultiplied


def test_alpha__grey() -> None:
    """Grey with transparency is laid over white, too."""
    values = np.zeros((4, 4, 2), np.uint64)
    values[..., 1] = 1000
    assert seen(tiff_of(values, Written(bits=10, extra=(2,))))[0, 0].tolist() == [5, 5, 5]
    assert seen(tiff_of(values, Written(bits=10, extra=(1,))))[0, 0].tolist() == [5, 5, 5]


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk__inks(bits: int) -> None:
    """Full cyan is cyan, no ink is white, in 8 and in 16 bits."""
    values = np.zeros((1, 2, 4), np.uint64)
    values[0, 0, 0] = 2**bits - 1
    expected = [[0, 255, 255], [255, 255, 255]]
    assert seen(tiff_of(values, Written(bits=bits, photometric=5)))[0].tolist() == expected


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((30, 41), {"photometric": "miniswhite"}),
        ((30, 41), {"photometric": "minisblack", "tile": (16, 16)}),
        ((30, 41, 3), {"photometric": "rgb", "compression": "zlib", "rowsperstrip": 7}),
        ((3, 30, 41), {"photometric": "rgb", "planarconfig": "separate"}),
        ((3, 30, 41), {"photometric": "minisblack", "planarconfig": "separate"}),
        ((30, 41), {"byteorder": ">", "bigtiff": True, "compression": "zlib", "predictor": 2}),
        ((2, 30, 41), {"imagej": True}),
        ((2, 30, 41), {"ome": True}),
    ],
)
def test_written_by_others__the_same(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    """Files of the library that microscopes' files are written with show their numbers."""
    import tifffile

    values = numbers(shape, 16).astype(np.uint16)
    file = BytesIO()
    file.name = "a.ome.tif"
    tifffile.imwrite(file, values, **options)
    first = values
    if options.get("photometric") == "rgb":
        first = np.moveaxis(values, 0, -1) if "planarconfig" in options else values
    elif values.ndim == 3:
        first = values[0]
    expected = first.astype(int) >> 8
    if options.get("photometric") == "miniswhite":
        expected = 255 - expected
    got = seen(file.getvalue())
    assert (got == (expected if expected.ndim == 3 else expected[..., None])).all()


def test_orientation__of_sixteen_bits() -> None:
    """The tag for the orientation is applied here, too."""
    values = numbers((5, 9, 1), 16)
    data = tiff_of(values, Written(bits=16, more={274: (3, [6])}))
    decoded = decode(data)
    assert (decoded.width, decoded.height) == (5, 9)
    assert (np.asarray(decoded.image)[..., 0] == np.rot90(eight(values, 16)[..., 0], -1)).all()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Written(bits=16, more={259: (3, [34712])}), "1 x 16 bits in JPEG 2000 compression"),
        (Written(bits=12, more={259: (3, [7])}), "1 x 12 bits in JPEG compression"),
        (Written(bits=8, more={259: (3, [61234])}), "in unknown (61234) compression"),
        (Written(bits=16, more={262: (3, [8])}), "photometric interpretation is CIELab"),
        (Written(bits=8, more={262: (3, [32844])}), "photometric interpretation is LogL"),
        (Written(bits=8, more={339: (3, [5])}), "a TIFF of sample format 5 of 8 bits"),
        (Written(bits=24, kind="u", more={339: (3, [3])}), "floating point of 24 bits"),
        (Written(bits=8, more={258: (3, [5, 6, 5])}), "different bits a sample (5, 6, 5)"),
    ],
)
def test_refused__by_its_own_name(how: Written, said: str) -> None:
    """What is not read says what it is, and is never called damaged."""
    told = reason(tiff_of(np.zeros((4, 4, 1), np.uint64), how))
    assert said in told
    assert "is not read" in told
    assert "damaged" not in told


@pytest.mark.parametrize(
    "more",
    [
        {254: (4, [1]), 330: (4, [8])},
        {50706: (1, [1, 4, 0, 0])},
        {262: (3, [32803])},
    ],
    ids=["reduced-with-others", "dng", "sensor"],
)
def test_raw__refused_by_name(more: dict[int, tuple[int, list[int]]]) -> None:
    """A camera's raw file is not taken for its thumbnail."""
    data = tiff_of(numbers((4, 4, 3), 8), Written(photometric=2, more=more))
    assert reason(data) == (
        "a camera's raw file, which is not read: export the picture as TIFF or JPEG"
    )


def test_raw__a_reduced_copy_alone() -> None:
    """A first picture that is only a reduced copy is not the picture."""
    data = tiff_of(numbers((4, 4, 3), 8), Written(photometric=2, more={254: (4, [1])}))
    assert reason(data).startswith("its first picture is only a reduced copy of another")


def test_few_bits__noted_and_read_as_they_are() -> None:
    """Ten bits in sixteen are read as they are, and a note says what to do."""
    values = numbers((20, 20, 1), 10)
    decoded = decode(tiff_of(values, Written(bits=16)))
    assert (np.asarray(decoded.image) == eight(values, 16)).all()
    assert decoded.note == FEW_BITS
    assert decode(tiff_of(values * np.uint64(64), Written(bits=16))).note is None
    assert decode(tiff_of(values, Written(bits=10))).note is None


@pytest.mark.parametrize(("bits", "samples"), [(1, 60), (16, 60), (32, 2)])
def test_costly__samples(bits: int, samples: int) -> None:
    """Thousands of bands a pixel are counted before they are unpacked."""
    data = tiff_of(numbers((20, 20, samples), bits), Written(bits=bits))
    with pytest.raises(BrokenImage) as caught:
        decode(data, max_pixels=500)
    assert caught.value.reason == (
        f"too costly: 20 x 20 pixels of {samples} samples of {bits} bits, "
        "at most 0 million samples of this kind are read"
    )


def test_damaged__strips_that_are_not_there() -> None:
    """A file with fewer strips than rows need is damaged, in so many words."""
    data = tiff_of(numbers((9, 9, 1), 16), Written(bits=16, strip_rows=2, more={257: (4, [90])}))
    assert reason(data) == "damaged TIFF: it has 5 of 45 strips or tiles"


def test_damaged__cut() -> None:
    """A 16-bit file that ends early is refused."""
    data = tiff_of(numbers((60, 60, 1), 16), Written(bits=16, compression=5, strip_rows=8))
    assert reason(data[:-900]) == "truncated TIFF: the file ends before the picture does"
