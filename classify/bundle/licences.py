"""What whoever passes a bundle on should know of the rights to what is in it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holotype.encoder.timm_encoder import TimmEncoder

_NAME = "holotype"


def of_code() -> str:
    """The licence of this project's own modules, in full."""
    try:
        text = distribution(_NAME).read_text("licenses/LICENSE")
    except PackageNotFoundError:
        text = None
    return (
        text or "SPDX-License-Identifier: Apache-2.0\nhttps://www.apache.org/licenses/LICENSE-2.0\n"
    )


def of_weights(encoder: TimmEncoder) -> str:
    """What timm knows of the licence of a network's weights, in a few words."""
    from holotype.encoder.backbone import network_config

    config = network_config(encoder.network.backbone)
    licence, origin = config.get("license"), config.get("origin_url")
    named = f"timm gives {licence} as their licence" if licence else "timm names no licence of them"
    return (
        f"weights of {encoder.fingerprint.backbone}; {named}"
        f"{f' ({origin})' if origin else ''}. Where they came from a checkpoint file, it is "
        "that of whoever made the file."
    )


def notice(weights: str, *, pictures: int) -> str:
    """The licence notes of a bundle.

    Args:
        weights: see `of_weights`.
        pictures: references that go along with a picture.
    """
    return f"""\
Code (holotype/, head/, classify/, __main__.py): Holotype, Apache License 2.0, see LICENSE.

Encoder (encoder.onnx): {weights}

Pictures (references/, golden/): small copies of {pictures} pictures of the gallery, and of a few
more. They belong to whom the originals belong to; whoever passes this file on passes them on,
with their labels, groups, metadata and the last two parts of the paths that they came from.

Head and vectors: worked out from all pictures of the gallery.
"""
