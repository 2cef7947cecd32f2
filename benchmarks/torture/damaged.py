"""Pictures of all formats, damaged in many ways, and pictures made to cost as much as they can."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

SIDE = (320, 214)
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
IN_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")


def damaged(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Names and files, the same ones for the same seed; all sound files are damaged in turn."""
    sound = list(sound_files().items())
    others = [data for _, data in sound]
    rng = random.Random(seed)
    for n in range(count):
        name, data = sound[n % len(sound)]
        how = rng.choice(MUTATIONS)
        yield f"{n:05}-{name}-{how.__name__}", how(bytearray(data), rng, others)


def sound_files() -> dict[str, bytes]:
    """One of each kind: formats, colour layouts, compressions, frames, metadata."""
    photo = _photo()
    other = photo.transpose(Image.Transpose.ROTATE_180)
    grey, clear = photo.convert("L"), photo.copy()
    clear.putalpha(grey)
    exif = Image.Exif()
    exif[274], exif[315] = 6, "somebody"
    files = {
        "jpeg": _file(photo, "JPEG", exif=exif, icc_profile=bytes(3000), comment=b"seen"),
        "jpeg-progressive": _file(photo, "JPEG", progressive=True, subsampling=0),
        "jpeg-cmyk": _file(photo.convert("CMYK"), "JPEG"),
        "jpeg-restarts": _file(grey, "JPEG", restart_marker_rows=2),
        "png": _file(photo, "PNG", exif=exif),
        "png-alpha": _file(clear, "PNG"),
        "png-palette": _file(photo.quantize(60), "PNG", transparency=3),
        "png-16": _file(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG"),
        "png-frames": _file(photo, "PNG", save_all=True, append_images=[other]),
        "webp": _file(photo, "WEBP", exif=exif),
        "webp-lossless": _file(clear, "WEBP", lossless=True),
        "webp-frames": _file(photo, "WEBP", save_all=True, append_images=[other]),
        "gif": _file(photo.quantize(60), "GIF", transparency=3),
        "gif-frames": _file(photo, "GIF", save_all=True, append_images=[other]),
        "bmp": _file(photo, "BMP"),
        "bmp-palette": _file(photo.quantize(16), "BMP"),
        "heic": _heic(photo),
        "heic-alpha": _heic(clear),
        "avif": _file(photo, "AVIF", speed=10, exif=exif),
        "tiff-float": _file(Image.fromarray(np.asarray(grey).astype(np.float32)), "TIFF"),
        "tiff-16": _file(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "TIFF"),
        "tiff-pages": _file(photo, "TIFF", save_all=True, append_images=[other], exif=exif),
    }
    deep = np.asarray(photo).astype(np.uint16) * 257
    files |= {
        "tiff-white-is-zero": _tiff_of_others(deep[..., 0], photometric="miniswhite"),
        "tiff-planes": _tiff_of_others(np.moveaxis(deep, -1, 0), photometric="rgb",
                                       planarconfig="separate", compression="zlib"),
        "tiff-tiles": _tiff_of_others(deep, photometric="rgb", tile=(64, 64), byteorder=">",
                                      bigtiff=True, compression="zlib", predictor=2),
    }  # fmt: skip
    return files | {f"tiff-{how}": _file(photo, "TIFF", compression=how) for how in IN_TIFF}


def noise_files() -> dict[str, bytes]:
    """3 megapixels of noise in each format."""
    values = np.random.default_rng(0).integers(0, 2**16, (1500, 2000, 3), dtype=np.uint16)
    noise = Image.fromarray((values >> 8).astype(np.uint8))
    return {
        "jpeg": _file(noise, "JPEG", quality=95, subsampling=0),
        "jpeg, 10 scans": _file(noise, "JPEG", quality=60, progressive=True),
        "png": _file(noise, "PNG", compress_level=1),
        "webp": _file(noise, "WEBP", method=0),
        "webp, lossless": _file(noise, "WEBP", lossless=True, method=0, quality=0),
        "gif": _file(noise.quantize(256), "GIF"),
        "bmp": _file(noise, "BMP"),
        "heic": _heic(noise),
        "avif": _file(noise, "AVIF", speed=10),
        "tiff": _file(noise, "TIFF"),
        "tiff, lzw": _file(noise, "TIFF", compression="tiff_lzw"),
        "tiff, 16 bits": _tiff_of_others(values, photometric="rgb", compression="zlib"),
        "tiff, floats": _tiff_of_others(
            values.astype(np.float32), photometric="rgb", compression="zlib"
        ),
    }


def costly() -> Iterator[tuple[str, bytes]]:
    """Small files that cost seconds or gigabytes where nobody counts first."""
    yield "costly-jpeg-400-scans", _scans(6000, 4000, 390)
    yield "costly-jpeg-million-scans", _scans(16, 16, 200_000)
    yield "costly-jpeg-comments", b"\xff\xd8" + b"\xff\xfe\0\2" * 2_000_000
    yield "costly-jpeg-fill", b"\xff\xd8" + b"\xff" * 30_000_000
    yield "costly-png-column", _png(1, 89_000_000)
    yield "costly-png-row", _png(89_000_000, 1)
    yield "costly-png-needle", _png(8, 99_999)
    yield "costly-png-chunks", _png(8, 8, b"\0\0\0\0IDAT5\xaf\x06\x1e" * 1_000_000)
    text = zlib.compress(bytes(60_000_000))
    yield "costly-png-text", _png(8, 8, _chunk(b"zTXt", b"Comment\0\0" + text))
    yield "costly-png-noise-free", _png(9_400, 9_400)
    yield "costly-gif-comment", _gif(b"!\xfe" + (b"\xff" + bytes(255)) * 200_000 + b"\0")
    yield "costly-gif-blocks", _gif(b"!\xfe" + b"\1\0" * 5_000_000 + b"\0")
    yield "costly-bmp-runs", _bmp_runs(8 * 2**20)
    yield "costly-tiff-tiles", _tiff_pieces(400_000)
    yield "costly-tiff-tags", _tiff_tags()
    yield "costly-tiff-strip", _tiff_strip(zlib.compress(bytes(500_000_000)), 8)
    yield "costly-tiff-huge-tile", _tiff_strip(bytes(100), 1, tile=60_000)
    yield "costly-webp-large", b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2
    yield "costly-heic-grid", _heic_grid()


# -- damaging -------------------------------------------------------------------------------------


def flipped(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """A few bytes anywhere are others."""
    for _ in range(rng.choice((1, 2, 5, 20, 200))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def flipped_in_front(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """A few bytes of the headers are others."""
    for _ in range(rng.choice((1, 2, 5, 20))):
        data[rng.randrange(min(len(data), 600))] = rng.randrange(256)
    return bytes(data)


def extreme(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """Numbers in the headers have an extreme value."""
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(2, min(len(data) - 4, 600))
        width, order = rng.choice((1, 2, 4)), rng.choice(("little", "big"))
        value = rng.choice(EXTREMES) & (256**width - 1)
        data[at : at + width] = value.to_bytes(width, order)
    return bytes(data)


def cut(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """It ends early."""
    return bytes(data[: rng.randrange(1, len(data))])


def grown(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """Bytes are put in between."""
    at = rng.randrange(len(data))
    data[at:at] = rng.choice((bytes(4), b"\xff" * 7, rng.randbytes(64), bytes(data[:300])))
    return bytes(data)


def repeated(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """A part stands there many times."""
    at = rng.randrange(len(data))
    part = bytes(data[at : at + rng.choice((4, 40, 400, 4000))])
    data[at:at] = part * rng.choice((1, 10, 100))
    return bytes(data)


def spliced(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """A part is another file's."""
    other = rng.choice(others)
    start, at = rng.randrange(len(other)), rng.randrange(min(20, len(data)), len(data))
    data[at : at + rng.choice((8, 100, 2000))] = other[start : start + rng.choice((8, 100, 2000))]
    return bytes(data)


def dropped(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """A part is gone."""
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 12, 300))]
    return bytes(data)


def checked(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Damaged in front, with a PNG's checksums made right again, so that parsers get further."""
    return _with_checksums(flipped_in_front(data, rng, others))


Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], bytes]
MUTATIONS: tuple[Mutation, ...] = (
    flipped, flipped_in_front, extreme, extreme, cut, grown, repeated, spliced, dropped, checked,
)  # fmt: skip


def _with_checksums(data: bytes) -> bytes:
    if not data.startswith(b"\x89PNG"):
        return data
    out, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : end]
        out += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at = end + 4
    return b"".join(out)


# -- making ---------------------------------------------------------------------------------------


def _photo() -> Image.Image:
    """Smooth shapes with noise: something of everything that encoders distinguish."""
    noise = np.random.default_rng(0).integers(0, 256, (*SIDE[::-1], 3), dtype=np.uint8)
    smooth = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(9))
    return Image.blend(smooth, Image.fromarray(noise), 0.1)


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _tiff_of_others(values: np.ndarray[Any, Any], **options: Any) -> bytes:
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def _heic(image: Image.Image) -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, format="HEIF")
    return file.getvalue()


def _scans(width: int, height: int, extra: int) -> bytes:
    """A progressive JPEG whose scan of the fifth coefficient and more stands there often."""
    data = _file(Image.new("RGB", (width, height), "red"), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    tables = data.rindex(b"\xff\xc4", 0, starts[4])
    scan = data[tables : data.index(b"\xff\xc4", starts[4])]
    return data[:-2] + scan * extra + b"\xff\xd9"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, before: bytes = b"") -> bytes:
    packer = zlib.compressobj(9)
    rows = bytes(1 + width) * min(height, 2**20)
    left, packed = height, []
    while left > 0:
        some = rows[: (1 + width) * min(left, 2**20)] if width < 2**20 else rows
        packed.append(packer.compress(some))
        left -= min(height, 2**20)
    body = b"".join(packed) + packer.flush()
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _gif(before: bytes) -> bytes:
    data = _file(Image.new("P", (16, 16)), "GIF")
    at = data.index(b",\0\0\0\0")
    return data[:at] + before + data[at:]


def _bmp_runs(size: int) -> bytes:
    """Run-length coded, of runs of no pixels."""
    data = bytearray(_file(Image.new("P", (4000, 4000)), "BMP"))
    data[30:34] = struct.pack("<I", 1)
    start = int.from_bytes(data[10:14], "little")
    return bytes(data[:start]) + b"\0\2\0\0" * (size // 4)


def _tiff(fields: dict[int, tuple[int, bytes]], after: bytes = b"") -> bytes:
    """A little-endian TIFF: tag to its type and its bytes (those of more than 4 follow)."""
    sizes = {1: 1, 3: 2, 4: 4}
    at = 8 + 2 + 12 * len(fields) + 4
    out, rest = struct.pack("<2sHIH", b"II", 42, 8, len(fields)), b""
    for tag, (kind, raw) in sorted(fields.items()):
        out += struct.pack("<HHI", tag, kind, len(raw) // sizes[kind])
        out += raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", at + len(rest))
        rest += raw if len(raw) > 4 else b""
    return out + bytes(4) + rest + after


def _tiff_pieces(pieces: int) -> bytes:
    """Of strips of one row, of as many tiny planes as it takes."""
    one, size = struct.pack("<I", 8), struct.pack("<I", 100)
    plain = {256: (4, size), 257: (4, size), 258: (3, b"\x08\0"), 259: (3, b"\1\0")}
    more = {262: (3, b"\1\0"), 277: (3, b"\1\0"), 322: (4, one), 323: (4, one)}
    return _tiff(plain | more | {324: (4, one * pieces), 325: (4, one * pieces)})


def _tiff_strip(strip: bytes, compression: int, tile: int = 0) -> bytes:
    """16 bits, 8 x 8 pixels, whose one strip unpacks to far more."""
    one, eight = struct.pack("<I", 1), struct.pack("<I", 8)
    names = (324, 325) if tile else (273, 279)
    fields = {256: (4, eight), 257: (4, eight), 258: (3, b"\x10\0"), 262: (4, one), 277: (4, one)}
    fields |= {259: (4, struct.pack("<I", compression))}
    fields |= {names[1]: (4, struct.pack("<I", len(strip)))}
    if tile:
        fields |= {322: (4, struct.pack("<I", tile)), 323: (4, struct.pack("<I", tile))}
    at = 8 + 2 + 12 * (len(fields) + 1) + 4
    return _tiff(fields | {names[0]: (4, struct.pack("<I", at))}, strip)


def _tiff_tags() -> bytes:
    """Thousands of tags that all claim the whole file."""
    small = struct.pack("<I", 8)
    body = 20_000_000
    fields = dict.fromkeys(range(1000, 5000), (1, b""))
    data = bytearray(
        _tiff(fields | {256: (4, small), 257: (4, small), 273: (4, small)}, bytes(body))
    )
    for at in range(10, 10 + 12 * (len(fields) + 3), 12):
        if data[at + 2] == 1:
            data[at + 4 : at + 12] = struct.pack("<II", body, 1000)
    return bytes(data)


def _heic_grid() -> bytes:
    """One tile, 40,000 times: the picture is small, the decoding is not."""
    data = bytearray(_heic(Image.new("RGBA", (512, 512), (9, 9, 9, 9))))
    meta = data.index(b"meta") - 4
    references = struct.pack(">HH", 1, 40_000) + struct.pack(">H", 2) * 40_000
    box = struct.pack(">I4s", 8 + len(references), b"dimg") + references
    box = struct.pack(">I4sI", 12 + len(box), b"iref", 0) + box
    end = meta + int.from_bytes(data[meta : meta + 4], "big")
    data[end:end] = box
    data[meta : meta + 4] = struct.pack(">I", end - meta + len(box))
    return bytes(data)
