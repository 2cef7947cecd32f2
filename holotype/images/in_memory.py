"""Pictures that a program holds in memory, as the bytes of a file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from holotype.errors import BrokenImage

_AS_THEY_ARE = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"})
"""Modes of Pillow that PNG keeps."""


def png_of(picture: Image.Image | npt.NDArray[Any]) -> bytes:
    """A picture without loss: whatever is done to files is done to it.

    Args:
        picture: of Pillow, turned as its EXIF orientation says; or uint8 (H, W), (H, W, 3) RGB or
            (H, W, 4) RGBA, or uint16 (H, W).

    Raises:
        BrokenImage: it is no such picture, or cannot be read.
    """
    image = picture if isinstance(picture, Image.Image) else _from_array(picture)
    file = BytesIO()
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode == "F":
            raise BrokenImage("an image of floats (mode F) has no scale: give 8 or 16 bits")
        if image.mode not in _AS_THEY_ARE:
            image = image.convert("RGB")
        image.save(file, "png", compress_level=1)
    except (OSError, ValueError) as error:
        raise BrokenImage(f"Pillow cannot read this image: {error}") from error
    return file.getvalue()


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    grey, colour = array.ndim == 2, array.ndim == 3 and array.shape[2] in {3, 4}
    if array.size and (
        (array.dtype == np.uint8 and (grey or colour)) or (array.dtype == np.uint16 and grey)
    ):
        return Image.fromarray(np.ascontiguousarray(array))
    raise BrokenImage(
        f"an array {array.shape} of {array.dtype} is no picture: give uint8 (H, W), (H, W, 3) or "
        "(H, W, 4), or uint16 (H, W)"
    )
