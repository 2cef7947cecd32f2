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

from holotype.errors import UsageError
from holotype.intake.words import clean_space

MAX_DIMENSION = 65_536
"""Numbers of a vector, at most: what the engines take."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of an embedding space."""

    backbone: str
    """timm name of the network. No tag: `weights_sha256` says which weights, wherever from.
    Of vectors that come from elsewhere, the name of their space (see `of_space`)."""
    weights_sha256: str
    """sha256 over the tensors actually loaded (see `holotype.encoder.weights`)."""
    image_size: int
    """Side of the square network input, pixels; 0 where vectors come from elsewhere."""
    preprocessing: str
    """One line: resize, crop, interpolation, mean, std, and the decoder's rule version."""
    pooling: str
    """`cls`, `mean`, `cls+mean`, or the backbone's own where it has no class token (`default`)."""
    normalisation: str
    """`l2`."""
    dimension: int
    """Length of a vector."""

    @classmethod
    def of_space(cls, name: str, dimension: int) -> Fingerprint:
        """That of vectors that come from elsewhere: the name that they were given stands for it.

        Args:
            name: of the space, such as `my-encoder v3`; two names are two spaces.
            dimension: numbers of a vector, D.

        Raises:
            UsageError: the name is no text that a label could be, or there are no numbers.
        """
        if not 1 <= dimension <= MAX_DIMENSION:
            raise UsageError(f"a vector has 1 to {MAX_DIMENSION} numbers, not {dimension}")
        return cls(clean_space(name), "", 0, "", "", "l2", dimension)

    @property
    def space(self) -> str | None:
        """The name of the space, where its vectors come from elsewhere; None for pictures."""
        return self.backbone if self.image_size == 0 else None

    def describe(self) -> str:
        """What these vectors are, in a few words for a message."""
        if self.space is not None:
            return f"vectors of space {self.space!r} with {self.dimension} numbers"
        return f"pictures embedded by {self.backbone!r}"

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


def holds_vectors(gallery: str, stored: Fingerprint) -> UsageError:
    """The error of whoever needs an encoder for a gallery whose vectors come from elsewhere."""
    return UsageError(
        f"gallery {gallery!r} holds {stored.describe()}, which no encoder here makes: add with "
        "`ingest add --vectors FILE` or `add_vectors`, and ask with `classify_vectors` of "
        "`holotype.open`"
    )
