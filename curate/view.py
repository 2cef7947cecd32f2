"""What curation looks at: every reference of a gallery as arrays.

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from head.data.training_set import TrainingSet, group_numbers, mark_of
from head.fit.logistic import worthwhile_threads
from holotype.columns import References
from holotype.errors import EmptyGallery
from holotype.references import EVERYTHING, Where

if TYPE_CHECKING:
    from holotype.access import AnyStore


@dataclass(frozen=True, slots=True, eq=False)
class GalleryView:
    """References in id order; row i of everything is one of them."""

    ids: list[str]
    """N UUIDs."""
    groups: list[str | None]
    """N names; None where a reference is independent of all others."""
    training: TrainingSet
    """The same N as training takes them: vectors, codes of labels, numbers of groups."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> list[str]:
        """N labels."""
        return [self.training.labels[code] for code in self.training.codes]

    def threads(self) -> AbstractContextManager[object]:
        """As many threads as work on so many references is worth, for a block."""
        n, d = self.training.vectors.shape
        return worthwhile_threads(n, min(n, d), len(self.training.labels))

    @classmethod
    def of(cls, references: References) -> GalleryView:
        """The same references."""
        labels, codes = np.unique(np.asarray(references.labels, object), return_inverse=True)
        numbers: dict[Hashable, int] = {}
        groups = group_numbers(references.groups, numbers)
        return cls(
            ids=references.ids,
            groups=references.groups,
            training=TrainingSet(
                labels=tuple(map(str, labels)),
                vectors=references.vectors,
                codes=codes.astype(np.int64),
                groups=np.unique(groups, return_inverse=True)[1].astype(np.int64),
                marks=np.array([mark_of(id_) for id_ in references.ids], dtype=np.int64),
            ),
        )


def read_gallery(gallery: AnyStore, *, where: Where = EVERYTHING) -> GalleryView:
    """Every reference that matches, of one moment where others let it be.

    Raises:
        EmptyGallery: there is none.
        UnknownFilterKey: the filter names a key that no reference carries.
    """
    references = References.read(gallery, where=where)
    if not len(references):
        raise EmptyGallery(
            f"gallery {gallery.gallery!r} holds no references"
            + (" that match" if where else "")
            + ": add some with `ingest add` first"
        )
    return GalleryView.of(references)
