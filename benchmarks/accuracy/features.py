"""The vectors that everything is measured on, encoded once and cached by fingerprint.

Shapes: N pictures, D dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.sets import LabelledImage, LabelledSet
from benchmarks.harness import OUT
from head.data.duplicates import NEAR_DUPLICATE, join, pairs_above
from holotype.fingerprint import Fingerprint
from holotype.images.picture import read_picture
from holotype.references import Codes, Vectors

if TYPE_CHECKING:
    from holotype.encoder.timm_encoder import TimmEncoder
    from holotype.images.square import Pixels

BATCH = 16
FOLDER = OUT / "accuracy"


@dataclass(frozen=True, eq=False)
class Features:
    """A set's pictures as vectors. Row i of every array belongs to picture i."""

    name: str
    """The set's."""
    fingerprint: Fingerprint
    raw: Vectors
    """(N, D) as the backbone gives them."""
    labels: npt.NDArray[np.str_]
    """(N,)."""
    parts: npt.NDArray[np.str_]
    """(N,) `train` or `val`."""
    digests: npt.NDArray[np.str_]
    """(N,) sha256 of the files."""

    def __len__(self) -> int:
        """N."""
        return len(self.raw)

    @cached_property
    def unit(self) -> Vectors:
        """(N, D) unit rows, as the product stores them."""
        rows: Vectors = self.raw / np.linalg.norm(self.raw, axis=1, keepdims=True)
        return rows

    @cached_property
    def codes(self) -> Codes:
        """(N,) classes by number, in the order of their labels."""
        return np.unique(self.labels, return_inverse=True)[1]

    @cached_property
    def groups(self) -> Codes:
        """(N,) pictures of one group are near-duplicates, or chained by near-duplicates."""
        return join(np.arange(len(self)), pairs_above(self.unit, NEAR_DUPLICATE))

    def of_part(self, part: str) -> Features:
        """Only one part."""
        rows = self.parts == part
        return Features(
            name=self.name,
            fingerprint=self.fingerprint,
            raw=self.raw[rows],
            labels=self.labels[rows],
            parts=self.parts[rows],
            digests=self.digests[rows],
        )


def features_of(found: LabelledSet, encoder: TimmEncoder) -> Features:
    """From the cache where the files and the fingerprint are the same."""
    contents = [image.path.read_bytes() for image in found.images]
    digests = np.array([hashlib.sha256(data).hexdigest() for data in contents])
    path = _cache_file(found, digests, encoder.fingerprint)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"encoding {len(contents)} pictures of {found.name} ...", flush=True)
        np.save(path, _encode(contents, encoder))
    return Features(
        name=found.name,
        fingerprint=encoder.fingerprint,
        raw=np.load(path),
        labels=_column(found.images, "label"),
        parts=_column(found.images, "part"),
        digests=digests,
    )


def _column(images: Sequence[LabelledImage], name: str) -> npt.NDArray[np.str_]:
    return np.array([getattr(image, name) for image in images])


def _cache_file(
    found: LabelledSet, digests: npt.NDArray[np.str_], fingerprint: Fingerprint
) -> Path:
    content = hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
    return FOLDER / f"{found.name}-{fingerprint.id}-{content}.npy"


def _encode(contents: Sequence[bytes], encoder: TimmEncoder) -> Vectors:
    """(N, D) before normalisation. That normalising gives `encode`'s vectors is checked."""
    rows = []
    with ThreadPoolExecutor(2) as threads:
        for start in range(0, len(contents), BATCH):
            pictures = threads.map(
                lambda data: read_picture(data, encoder.recipe).pixels,
                contents[start : start + BATCH],
            )
            rows.append(_pooled(list(pictures), encoder, check=start == 0))
    return np.concatenate(rows)


def _pooled(pixels: list[Pixels], encoder: TimmEncoder, *, check: bool) -> Vectors:
    import torch

    with torch.inference_mode():
        batch = torch.from_numpy(np.stack(pixels)).to(encoder.device)
        raw: Vectors = encoder.network.pooled(batch).cpu().numpy()
    if check:
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        np.testing.assert_allclose(unit, encoder.encode(pixels), atol=1e-4)
    return raw
