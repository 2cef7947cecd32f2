"""Galleries of clouds: classes that lie apart, in the real embedded engine or as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from head.data.training_set import TrainingSet
from holotype.references import EmbeddedReference, Vectors
from tests.references import Pictures

torch.set_num_threads(1)

SIZES = {"ant": 12, "bee": 12, "wasp": 12}


@dataclass(frozen=True)
class Clouds:
    """Classes as clouds of unit vectors about a direction of their own."""

    dimension: int
    spread: float = 0.25
    seed: int = 0

    def of(self, label: str, count: int, *, first: int = 0) -> Vectors:
        """(count, D) vectors of a class, always the same for the same label and number."""
        name = [self.seed, *label.encode()]
        middle = np.random.default_rng(name).normal(size=self.dimension)
        rows = np.stack(
            [
                middle / np.linalg.norm(middle)
                + self.spread * np.random.default_rng([*name, n]).normal(size=self.dimension)
                for n in range(first, first + count)
            ]
        )
        unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def training_set(
        self, sizes: Mapping[str, int], *, groups: Sequence[int] | None = None
    ) -> TrainingSet:
        """The classes as arrays."""
        labels = tuple(sorted(sizes))
        n = sum(sizes.values())
        return TrainingSet(
            labels=labels,
            vectors=np.concatenate([self.of(label, sizes[label]) for label in labels]),
            codes=np.repeat(np.arange(len(labels)), [sizes[label] for label in labels]),
            groups=np.arange(n) if groups is None else np.asarray(groups, dtype=np.int64),
            marks=np.arange(n),
        )

    def references(
        self, sizes: Mapping[str, int], pictures: Pictures, *, first: int = 0
    ) -> list[EmbeddedReference]:
        """The classes as references for `store`."""
        return [
            pictures.embedded(f"{label}-{first + n}", label, vector=vector)
            for label, count in sizes.items()
            for n, vector in enumerate(self.of(label, count, first=first))
        ]


@pytest.fixture
def clouds(pictures: Pictures) -> Clouds:
    """Classes in the dimension of `store`."""
    return Clouds(pictures.dimension)
