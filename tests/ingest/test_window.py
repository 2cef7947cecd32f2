"""How many batches one write may take: what a kill costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from holotype.intake.folders import Folders
from holotype.references import EmbeddedReference
from holotype.store.port import VectorStore
from ingest.window import MOST_BATCHES, WINDOW_S, WriteWindow
from tests.fakes import ColourEncoder
from tests.image_files import make_tree
from tests.ingest.conftest import Worker


@pytest.mark.parametrize(
    ("device", "seconds", "batches"),
    [
        ("cpu", 0.001, 1),
        ("cpu", 3.0, 1),
        ("cuda", WINDOW_S / 4.5, 4),
        ("cuda", 2 * WINDOW_S, 1),
        ("mps", 0.0, MOST_BATCHES),
    ],
)
def test_window__is_bounded_by_the_time_of_encoding(
    device: str, seconds: float, batches: int
) -> None:
    """One batch on a processor; elsewhere what was encoded in half a second, within bounds."""
    window = WriteWindow()
    assert window.batches() == 1
    window.encoded(device, seconds)
    assert window.batches() == batches


def test_window__follows_the_encoder() -> None:
    """A device that becomes slow loses no more than one that always was."""
    window = WriteWindow()
    window.encoded("cuda", 0.01)
    window.encoded("cuda", 1.0)
    assert window.batches() == 1


class Watching:
    """A store that sees how much was embedded and not yet written when it is given more."""

    def __init__(self, store: VectorStore, encoder: ColourEncoder) -> None:
        self._store = store
        self._encoder = encoder
        self.written = 0
        self.sizes: list[int] = []
        self.at_stake: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def add(self, references: Sequence[EmbeddedReference]) -> None:
        self.sizes.append(len(references))
        self._store.add(references)
        self.at_stake.append(self._encoder.images_encoded - self.written)
        self.written += len(references)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_add__what_is_at_stake_while_writing(worker: Worker, images: Path, device: str) -> None:
    """On a processor never more than two batches, even where writing is the slower part."""
    make_tree(images, {"bee": [*range(400)]})
    encoder = ColourEncoder()
    encoder.device = device
    store = Watching(worker.store, encoder)
    Worker(store, encoder).add(Folders([images]))  # type: ignore[arg-type]
    assert sum(store.sizes) == 400
    if device == "cpu":
        assert set(store.sizes) == {8}
        assert max(store.at_stake) <= 2 * 8
    else:
        assert max(store.sizes) > 8
        assert max(store.at_stake) <= (2 * MOST_BATCHES + 1) * 8
