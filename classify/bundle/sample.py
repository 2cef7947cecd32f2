"""The references that a bundle carries: a sample of the gallery, searched exactly.

Shapes: N references, D dimensions, Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from holotype.references import EVERYTHING, Neighbour, Reference, Vectors, Where


@dataclass(frozen=True, eq=False)  # no slots: they would leave no room for what is kept
class Sample:
    """Some of a gallery's references, in the words of `VectorStore`."""

    gallery: str
    """Its name."""
    total: int
    """References of the gallery."""
    references: Sequence[Reference]
    """N of them."""
    vectors: Vectors
    """(N, D) float32, unit rows, in that order."""

    @property
    def is_whole(self) -> bool:
        """Whether it is all of them: neighbours are the gallery's own then."""
        return len(self.references) == self.total

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """See `VectorStore.get`."""
        return [self._by_id[id_] for id_ in ids if id_ in self._by_id]

    def neighbours(
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]:
        """See `VectorStore.neighbours`; the filter may be of labels alone."""
        assert all(condition.key == "label" for condition in where.conditions)
        kept = np.array([where.admits("label", one.label) for one in self.references], dtype=bool)
        rows = np.flatnonzero(kept)
        similarities = vectors @ self.vectors[rows].T
        nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
        return [
            [
                Neighbour(
                    self.references[rows[i]].id,
                    self.references[rows[i]].label,
                    float(found[i]),
                    self.vectors[rows[i]] if with_vectors else None,
                )
                for i in order
            ]
            for found, order in zip(similarities, nearest, strict=True)
        ]

    @cached_property
    def _by_id(self) -> Mapping[str, Reference]:
        return {reference.id: reference for reference in self.references}


def per_class(counts: Mapping[str, int], at_most: int) -> int:
    """References that each class may give to a sample: as even as the total allows.

    A class with fewer gives all of them, and leaves room to the others.
    """
    left, classes = at_most, len(counts)
    for count in sorted(counts.values()):
        if count * classes > left:
            return left // classes
        left, classes = left - count, classes - 1
    return max(counts.values(), default=0)
