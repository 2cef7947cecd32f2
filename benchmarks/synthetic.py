"""Vectors with the structure of real embeddings, for sizes that no image set has.

Classes come in families and follow Zipf's law (a few large, many small); references of a
class differ along directions that all classes share, with variances that fall off as those
of real features do. A nearest-neighbour search and a linear head have something to find,
and do not find all of it.

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import OUT
from holotype.fingerprint import Fingerprint
from holotype.references import EmbeddedReference, Reference, Vectors, reference_id
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.optimize import optimize
from holotype.store.port import VectorStore

DIMENSION = 384
"""Of DINOv2 ViT-S/14."""

CLASSES = 1000
BLOCK = 8192
ZIPF = 0.7
SPREAD = 1.15
"""Length of a reference's difference from its class mean, whose length is about 1."""
DECAY = 0.4
"""The i-th direction within a class has the standard deviation i ** -DECAY."""
MEANS_DECAY = 0.7
"""The same for class means, in the same directions: few of them tell classes apart."""
FAMILY = 0.7
"""Share of a class mean that it has in common with its family of ten."""


@dataclass(frozen=True, slots=True, eq=False)
class Synthetic:
    """Vectors and their classes; row i of both belongs to one reference."""

    vectors: Vectors
    """(N, D) float32, unit rows."""
    codes: npt.NDArray[np.int64]
    """(N,) 0 .. C - 1."""

    def __len__(self) -> int:
        return len(self.codes)


def make(n: int, *, classes: int = CLASSES, dimension: int = DIMENSION, seed: int = 0) -> Synthetic:
    """N references of the world that `classes` and `dimension` name; `seed` draws them.

    Two seeds give different references of the same classes: train with one, score on the other.
    """
    world = np.random.default_rng([classes, dimension])
    rotation = np.linalg.qr(world.normal(size=(dimension, dimension)))[0]
    families = world.normal(size=(-(-classes // 10), dimension))[np.arange(classes) // 10]
    own = world.normal(size=(classes, dimension))
    between = np.sqrt(FAMILY) * families + np.sqrt(1 - FAMILY) * own
    means = (between * _scales(dimension, MEANS_DECAY) @ rotation).astype(np.float32)
    spread = SPREAD * _scales(dimension, DECAY)
    directions = (spread[:, None] * rotation).astype(np.float32)

    draw = np.random.default_rng([classes, dimension, seed])
    sizes = np.arange(1, classes + 1) ** -ZIPF
    codes = draw.choice(classes, size=n, p=sizes / sizes.sum())
    vectors = np.empty((n, dimension), dtype=np.float32)
    for start in range(0, n, BLOCK):
        some = codes[start : start + BLOCK]
        noise = draw.standard_normal((len(some), dimension), dtype=np.float32)
        vectors[start : start + BLOCK] = _unit(means[some] + noise @ directions)
    return Synthetic(vectors, codes)


def space(dimension: int = DIMENSION) -> Fingerprint:
    """The embedding space of these vectors."""
    return Fingerprint(
        backbone="synthetic",
        weights_sha256=hashlib.sha256(b"synthetic").hexdigest(),
        image_size=224,
        preprocessing="none",
        pooling="cls",
        normalisation="l2",
        dimension=dimension,
    )


def references(data: Synthetic, *, first: int = 0) -> Iterator[list[EmbeddedReference]]:
    """Batches as ingest would write them. Metadata: `half` a or b, `tenth` 0 to 9."""
    for start in range(0, len(data), BLOCK):
        rows = range(start, min(start + BLOCK, len(data)))
        yield [_reference(first + i, int(data.codes[i]), data.vectors[i]) for i in rows]


def gallery(n: int, *, indexed: bool = False) -> Settings:
    """Settings of an embedded gallery of N references, made on first use and kept."""
    home = OUT / "galleries" / f"{n}{'-indexed' if indexed else ''}"
    settings = Settings.load(home=home)
    if not home.exists():
        partial = home.with_suffix(".part")
        shutil.rmtree(partial, ignore_errors=True)
        if indexed:
            shutil.copytree(gallery(n).home, partial)
            optimize(partial, settings.gallery)
        else:
            _fill(partial, make(n))
        partial.rename(home)
    return settings


def opened(settings: Settings) -> VectorStore:
    """That gallery, owned by this process."""
    return open_store(settings, fingerprint=space(), command="benchmark")


def rows_by_id(data: Synthetic) -> dict[str, int]:
    """Row of each reference in its `Synthetic`, by id."""
    return {reference_id(_sha256(i)): i for i in range(len(data))}


def _fill(home: Path, data: Synthetic) -> None:
    settings = Settings.load(home=home)
    with open_store(settings, fingerprint=space(), command="benchmark", create=True) as store:
        for batch in references(data):
            store.add(batch)


def _reference(i: int, code: int, vector: Vectors) -> EmbeddedReference:
    sha256 = _sha256(i)
    return EmbeddedReference(
        Reference(
            id=reference_id(sha256),
            label=f"class{code:04}",
            sha256=sha256,
            source=str(i),
            width=640,
            height=480,
            added_at="2026-11-01T12:00:00+00:00",
            meta={"half": "ab"[i % 2], "tenth": str(i % 10)},
        ),
        vector,
    )


def _sha256(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def _scales(dimension: int, decay: float) -> npt.NDArray[np.float64]:
    """(D,) falling standard deviations; a vector with them has a length of about 1."""
    scales = np.arange(1, dimension + 1) ** -decay
    return scales / np.linalg.norm(scales)


def _unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
