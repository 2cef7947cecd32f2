"""A gallery as arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from curate.view import read_gallery
from head.data.training_set import export_training_set
from holotype.errors import EmptyGallery
from holotype.references import Where
from holotype.store.port import VectorStore
from tests.references import Pictures


def test_read_gallery__is_what_training_takes(
    open_store: Callable[..., VectorStore], pictures: Pictures
) -> None:
    """The same rows as an export for training, with ids and names of groups."""
    with open_store() as store:
        store.add([*pictures.many("bee", 3), *pictures.many("ant", 4)])
        view, (training, _) = read_gallery(store), export_training_set(store)
        assert view.training.labels == training.labels == ("ant", "bee")
        for name in ("vectors", "codes", "groups", "marks"):
            np.testing.assert_array_equal(getattr(view.training, name), getattr(training, name))
        assert view.ids == sorted(view.ids)
        assert dict(zip(view.ids, view.labels, strict=True)) == store.existing(view.ids)
        assert len(read_gallery(store, where=Where.parse(["label=ant"]))) == 4


def test_read_gallery__of_an_empty_one(open_store: Callable[..., VectorStore]) -> None:
    """A word, and what to do."""
    with open_store() as store, pytest.raises(EmptyGallery, match="ingest add"):
        read_gallery(store)
