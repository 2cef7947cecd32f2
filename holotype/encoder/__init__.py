"""The encoder: backbone plus preprocessing, image in, vectors out.

Importing this package loads nothing, calling `load_encoder` loads torch and timm. Type against
`holotype.encoder.protocol.Encoder`.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from holotype.encoder.collector import collector_resting

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings


def load_encoder(settings: Settings) -> Encoder:
    """Build the encoder that the settings describe; takes seconds (torch, weights).

    Raises:
        UnknownBackbone: timm has no network of that name.
        WeightsUnavailable: no weights could be fetched, or a checkpoint does not fit.
        UsageError: device, precision, image size or pooling cannot be had.
    """
    # Only a process that is new to torch: freezing is a thing to do once, and to oneself.
    with nullcontext() if "torch" in sys.modules else collector_resting():
        from holotype.encoder.build import build_encoder

    return build_encoder(settings)
