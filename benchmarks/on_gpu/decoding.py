"""JPEG files to the squares that a backbone sees: in threads, and on the GPU."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch

from holotype.encoder.timm_encoder import TimmEncoder
from holotype.images.decode import decode
from holotype.images.picture import read_picture, read_pixels
from holotype.images.recipe import Recipe
from holotype.images.square import square
from holotype.references import Vectors

COMPARED = 32
"""Pictures whose vectors are compared."""

GPU_BATCH = 32
"""Pictures that nvJPEG gets at a time."""


def decoding_rows(
    files: Sequence[bytes], encoder: TimmEncoder, threads: Sequence[int]
) -> list[dict[str, Any]]:
    """Rows: images/s by way, and how near its vectors are to those of the full decode."""
    recipe = encoder.recipe
    some = files[:COMPARED]
    # The recipe to the letter: every pixel decoded, then resized.
    exact = encoder.encode([np.array(square(decode(data).image, recipe)) for data in some])
    ours = encoder.encode([read_pixels(data, recipe) for data in some])
    rows = [
        _row(f"Pillow, {count} threads", recipe, in_threads(files, recipe, count), ours, exact)
        for count in threads
    ]
    try:
        speed, vectors = _with_nvjpeg(files, encoder)
    except (ImportError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0][:60]
        rows.append(_row(f"nvJPEG: not to be had ({reason})", recipe, float("nan"), None, exact))
    else:
        rows.append(_row("nvJPEG and a resize on the GPU", recipe, speed, vectors, exact))
    return rows


def in_threads(files: Sequence[bytes], recipe: Recipe, threads: int) -> float:
    """Images/s of what `ingest` does: decode, square, thumbnail; of 32 files a thread."""
    files = files[: 32 * threads]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(partial(read_picture, recipe=recipe), files[:threads]))
        started = time.perf_counter()
        list(pool.map(partial(read_picture, recipe=recipe), files))
        return len(files) / (time.perf_counter() - started)


def _with_nvjpeg(files: Sequence[bytes], encoder: TimmEncoder) -> tuple[float, Vectors]:
    """Images/s, and (COMPARED, D) vectors."""
    if encoder.device != "cuda":
        raise RuntimeError("it needs a CUDA device")
    recipe = encoder.recipe
    squares = on_the_gpu(files[:COMPARED], recipe)
    vectors: Vectors = encoder.forward(squares).cpu().numpy()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for start in range(0, len(files), GPU_BATCH):
        on_the_gpu(files[start : start + GPU_BATCH], recipe)
    torch.cuda.synchronize()
    return len(files) / (time.perf_counter() - started), vectors


def on_the_gpu(files: Sequence[bytes], recipe: Recipe) -> torch.Tensor:
    """(N, S, S, 3) uint8, decoded and resized on the device."""
    from torchvision.io import ImageReadMode, decode_jpeg

    encoded = [torch.from_numpy(np.frombuffer(data, np.uint8).copy()) for data in files]
    pictures = decode_jpeg(encoded, mode=ImageReadMode.RGB, device="cuda")
    return torch.stack([resized(picture, recipe) for picture in pictures])


def resized(picture: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """(3, H, W) uint8 to (S, S, 3) uint8: the recipe's bicubic resize of the short side, and crop.

    With `antialias`, torch's filter is Pillow's; it rounds once instead of twice.
    """
    assert recipe.crop_mode == "center"
    height, width = picture.shape[1:]
    aim, side = recipe.resized_side, recipe.image_size
    size = (aim, int(aim * width / height)) if height <= width else (int(aim * height / width), aim)
    values = torch.nn.functional.interpolate(
        picture[None].float(), size, mode=recipe.interpolation, antialias=True
    )
    top, left = (round((extent - side) / 2) for extent in size)
    values = values[0, :, top : top + side, left : left + side]
    return values.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)


def _row(
    way: str, recipe: Recipe, speed: float, vectors: Vectors | None, exact: Vectors
) -> dict[str, Any]:
    least = "-" if vectors is None else f"{(vectors * exact).sum(axis=1).min():.5f}"
    return {
        "way": way,
        "px": recipe.image_size,
        "images/s": speed,
        "least cosine to the full decode": least,
    }
