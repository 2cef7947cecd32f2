"""The encoder: backbone plus preprocessing, image in, vectors out.

Importing this package loads nothing, calling `load_encoder` loads torch and timm. Type against
`holotype.encoder.protocol.Encoder`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings


def load_encoder(settings: Settings) -> Encoder:
    """Build the encoder that the settings describe; takes seconds (torch, weights).

    A command loads the same in half of the time: see `holotype.encoder.quick_start`.

    Raises:
        UnknownBackbone: timm has no network of that name.
        WeightsUnavailable: no weights could be fetched, or a checkpoint does not fit.
        UsageError: device, precision, image size or pooling cannot be had.
    """
    from holotype.encoder.build import build_encoder

    return build_encoder(settings)
