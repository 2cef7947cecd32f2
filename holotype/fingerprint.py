"""What makes two vectors comparable.

Two vectors may be compared only where everything here is equal. The device and the
batch size are not part of it: they change the last bits, not the space.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of an embedding space."""

    backbone: str
    """timm name of the network. No tag: `weights_sha256` says which weights, wherever from."""
    weights_sha256: str
    """sha256 over the tensors actually loaded (see `holotype.encoder.weights`)."""
    image_size: int
    """Side of the square network input, pixels."""
    preprocessing: str
    """One line: resize, crop, interpolation, mean, std, and the decoder's rule version."""
    pooling: str
    """`cls`, `mean`, `cls+mean`, or the backbone's own where it has no class token (`default`)."""
    normalisation: str
    """`l2`."""
    dimension: int
    """Length of a vector."""

    @property
    def id(self) -> str:
        """12 hex digits that stand for the whole fingerprint (used in collection names)."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form, as stored with the collection."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fingerprint:
        """Inverse of `to_dict`; unknown keys are refused with `TypeError`."""
        return cls(**data)

    def differences(self, other: Fingerprint) -> list[tuple[str, Any, Any]]:
        """Fields that differ, as (name, here, there)."""
        return [
            (f.name, getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]
