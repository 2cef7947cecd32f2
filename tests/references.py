"""References for tests: a name stands for a picture, everything else follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from holotype.references import EmbeddedReference, Reference, Vectors, reference_id

ADDED_AT = "2026-11-01T12:00:00+00:00"


def picture_id(name: str) -> str:
    """Id of the picture that `name` stands for."""
    return reference_id(_sha256(name))


def unit(vector: Sequence[float] | Vectors) -> Vectors:
    """The vector at length 1, float32."""
    raw = np.asarray(vector, dtype=np.float64)
    scaled: Vectors = (raw / np.linalg.norm(raw)).astype(np.float32)
    return scaled


def random_unit(name: str, dimension: int) -> Vectors:
    """(D,) float32 of length 1, always the same for the same name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return unit(np.random.default_rng(seed).normal(size=dimension))


@dataclass(frozen=True)
class Pictures:
    """Makes embedded references of one dimension."""

    dimension: int

    def embedded(
        self,
        name: str,
        label: str,
        *,
        vector: Sequence[float] | Vectors | None = None,
        group: str | None = None,
        source: str | None = None,
        meta: Mapping[str, str] | None = None,
        thumbnail: bytes | None = None,
    ) -> EmbeddedReference:
        """The picture `name` under `label`; a vector shorter than D is padded with zeros."""
        if vector is None:
            row = random_unit(name, self.dimension)
        else:
            row = unit(np.pad(np.asarray(vector, float), (0, self.dimension - len(vector))))
        sha256 = _sha256(name)
        reference = Reference(
            id=reference_id(sha256),
            label=label,
            sha256=sha256,
            source=source or f"{label}/{name}.png",
            width=64,
            height=48,
            added_at=ADDED_AT,
            group=group,
            meta=meta or {},
        )
        return EmbeddedReference(reference, row, thumbnail)

    def many(self, label: str, count: int, *, first: int = 0) -> list[EmbeddedReference]:
        """Pictures `<label>-<number>`."""
        return [self.embedded(f"{label}-{n}", label) for n in range(first, first + count)]


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
