"""How many batches one write may take: what a kill costs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from holotype.errors import EncoderError
from holotype.history import Action
from holotype.images.square import Pixels
from holotype.intake.folders import Folders
from holotype.outcomes import FileOutcome, Outcome
from holotype.references import EmbeddedReference, Vectors
from holotype.store.port import VectorStore
from ingest.adding import add
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

    def add(self, references: Sequence[EmbeddedReference], **options: Action | None) -> None:
        self.sizes.append(len(references))
        self._store.add(references, **options)
        self.at_stake.append(self._encoder.images_encoded - self.written)
        self.written += len(references)


class Late:
    """Pictures under way on a device; their vectors come once the next batch has been begun."""

    def __init__(self, vectors: Vectors, seconds: float, next_begun: threading.Event) -> None:
        self._vectors = vectors
        self.seconds = seconds
        self._next_begun = next_begun

    def vectors(self) -> Vectors:
        assert self._next_begun.wait(20), "the next batch was not begun meanwhile"
        return self._vectors


class Accelerator(ColourEncoder):
    """An encoder that needs the next batch before it gives the vectors of one."""

    def __init__(self, *, batches: int, seconds: float) -> None:
        super().__init__()
        self.device = "cuda"
        self._seconds = seconds
        self._begun = [threading.Event() for _ in range(batches)]
        self._begun.append(threading.Event())
        self._begun[-1].set()  # after the last one there is nothing to wait for
        self._next = 0

    def begin(self, pixels: Sequence[Pixels]) -> Late:
        number, self._next = self._next, self._next + 1
        self._begun[number].set()
        return Late(self.encode(pixels), self._seconds, self._begun[number + 1])


@pytest.mark.parametrize("seconds", [0.001, 10.0])
def test_add__an_accelerator_has_the_next_batch_before_it_ends_one(
    worker: Worker, images: Path, seconds: float
) -> None:
    """On a quick device and on a slow one; on a slow one at most two batches are at stake."""
    make_tree(images, {"bee": [*range(200)]})
    encoder = Accelerator(batches=25, seconds=seconds)
    store = Watching(worker.store, encoder)
    run = Worker(store, encoder).add(Folders([images]))  # type: ignore[arg-type]
    assert run.outcomes == [Outcome.ADDED] * 200
    assert [Path(said.source).name for said in run.said] == sorted(
        Path(said.source).name for said in run.said
    )
    if seconds > WINDOW_S:
        assert set(store.sizes) == {8}
        assert max(store.at_stake) <= 2 * 8


def test_add__an_error_of_the_device_ends_the_run(worker: Worker, images: Path) -> None:
    """What fails while vectors are awaited is raised, and what was reported is in the gallery."""
    make_tree(images, {"bee": [*range(200)]})
    encoder = Accelerator(batches=25, seconds=10.0)

    def fail() -> Vectors:
        raise EncoderError("the device is gone")

    begin = encoder.begin

    def begin_until_it_fails(pixels: Sequence[Pixels]) -> Late:
        late = begin(pixels)
        if encoder.calls == 5:
            late.vectors = fail  # type: ignore[method-assign]
        return late

    encoder.begin = begin_until_it_fails  # type: ignore[method-assign]
    said: list[FileOutcome] = []
    with pytest.raises(EncoderError, match="the device is gone"):
        add(Folders([images]), Worker(worker.store, encoder).backend(), listen=said.append)
    assert worker.store.existing([outcome.id or "" for outcome in said]).keys() == {
        outcome.id for outcome in said
    }
    assert len(said) <= 4 * 8


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
