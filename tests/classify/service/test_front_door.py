"""`holotype.open` where a service owns the gallery: everything goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import holotype
from holotype.errors import UsageError
from holotype.outcomes import Outcome
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture
from tests.running import running


@pytest.fixture
def gallery(own_store: VectorStore) -> Iterator[holotype.Gallery]:
    """The door to a service over red, green and blue."""
    with (
        running(own_store) as service,
        holotype.open(own_store.gallery, server=service.url) as opened,
    ):
        yield opened


def test_pictures__the_whole_way(
    gallery: holotype.Gallery, own_store: VectorStore, tmp_path: Path
) -> None:
    """Pictures are added, asked about and kept in the service's gallery; nothing opens it here."""
    (tmp_path / "white").mkdir()
    data = BytesIO()
    Image.new("RGB", (24, 24), "white").save(data, "png")
    (tmp_path / "white" / "1.png").write_bytes(data.getvalue())
    (tmp_path / "white" / "torn.png").write_bytes(data.getvalue()[:40])
    added = gallery.add(tmp_path)
    assert [one.outcome for one in added] == [Outcome.ADDED, Outcome.BROKEN]
    assert own_store.counts()["white"] == gallery.classes()["white"] == 1
    asked = [tmp_path / "white" / "1.png", picture("red", 100), np.full((9, 9), 255, np.uint8), b""]
    answers = gallery.classify(asked, k=1)
    assert answers.labels == ["white", "red", "white", None]
    assert answers.classes == (*sorted(COLOURS), "white")
    assert list(answers.problems) == [3]
    assert len(gallery.export(where="label!=white")) == sum(own_store.counts().values()) - 1
    assert gallery.retrain().version == own_store.heads()[-1].version
    assert gallery.relabel("snow", where="label=white") == 1
    assert gallery.remove(where="label=snow") == 1
    assert "white" not in own_store.counts()


def test_vectors__need_the_gallerys_own_space(gallery: holotype.Gallery) -> None:
    """Vectors of the service's encoder go in; another space is refused when it is opened."""
    found = gallery.export()
    assert gallery.classify_vectors(found.vectors[:5]).labels == found.labels[:5]
    assert [one.outcome for one in gallery.add_vectors(-found.vectors[:1], ["other"])] == ["added"]


def test_open__by_another_name(own_store: VectorStore) -> None:
    """A service that has another gallery than the one that was named is not asked."""
    with running(own_store) as service, pytest.raises(UsageError, match="serves gallery"):
        holotype.open("another", server=service.url)
