"""A person's path: 30 wrong labels in 632 references are found and set right by keys alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from head.data.training_set import export_training_set
from head.train import train
from holotype.fingerprint import Fingerprint
from holotype.references import Codes, Vectors
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore
from tests.classify.page.conftest import Serve, Visit
from tests.fakes import ColourEncoder
from tests.references import Pictures

REFERENCES, CLASSES, FLIPPED, DIMENSION = 632, 23, 30, 48
KEYS = 40
MARGIN = 0.01
"""Recall that the next head may be worse than one of the true labels."""
PLACES = np.random.default_rng(5).normal(size=(CLASSES, DIMENSION))


def clouds(codes: Codes, seed: int) -> Vectors:
    """A vector of each class, in clouds that overlap a little."""
    noise = np.random.default_rng(seed).normal(size=(len(codes), DIMENSION))
    raw = PLACES[codes] + 1.3 * noise
    scaled: Vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def name(code: int) -> str:
    """Of a class."""
    return f"species {code:02}"


@dataclass(frozen=True)
class Drawer:
    """A gallery with wrong labels, and what is true."""

    store: VectorStore
    truth: Mapping[str, str]
    """Labels by id."""
    before: float
    """Recall of a head with the true labels."""

    @property
    def wrong(self) -> set[str]:
        """Ids of labels that are not true."""
        now = self.store.existing(list(self.truth))
        return {id_ for id_, label in self.truth.items() if now[id_] != label}

    @property
    def recall(self) -> float:
        """See `recall`."""
        return recall(self.store)


def recall(store: VectorStore) -> float:
    """Of a head that is trained now, as its report says: out of fold, the mean over classes."""
    training, _ = export_training_set(store)
    return float(train(training).record.report["cross_validation"]["macro_accuracy"])


@pytest.fixture
def drawer(tmp_path: Path) -> Iterator[Drawer]:
    """Five of a hundred labels are wrong: half any other, half that of the nearest class."""
    fingerprint = Fingerprint(**{**ColourEncoder().fingerprint.to_dict(), "dimension": DIMENSION})
    rng = np.random.default_rng(3)
    codes = np.sort(np.concatenate([np.arange(CLASSES).repeat(14), rng.integers(0, CLASSES, 310)]))
    vectors, pictures, file = clouds(codes, seed=4), Pictures(DIMENSION), io.BytesIO()
    Image.new("RGB", (48, 40), (120, 90, 40)).save(file, "JPEG")
    references = [
        pictures.embedded(str(row), name(code), vector=vectors[row], thumbnail=file.getvalue())
        for row, code in enumerate(codes)
    ]
    distances = np.linalg.norm(PLACES[:, None] - PLACES, axis=2) + 1e9 * np.eye(CLASSES)
    truth = {one.reference.id: one.reference.label for one in references}
    with open_store(
        Settings.load(home=tmp_path / "drawer"),
        fingerprint=fingerprint,
        command="a test",
        create=True,
    ) as store:
        store.add(references)
        before = recall(store)
        for place, row in enumerate(rng.permutation(REFERENCES)[:FLIPPED]):
            code = codes[row]
            other = distances[code].argmin() if place % 2 else (code + 7) % CLASSES
            store.relabel(name(other), ids=[references[row].reference.id])
        yield Drawer(store, truth, before)


def test_curating__thirty_wrong_labels(drawer: Drawer, look: Visit, serve: Serve) -> None:
    """Enter where the proposal is true, K where it is not; the next head is as good as ever."""
    assert len(drawer.wrong) == FLIPPED
    assert drawer.recall < drawer.before - MARGIN
    page = look("curate/suspects", at=serve(drawer.store)).page
    stage = page.get_by_role("region", name="The suspect")
    expect(stage).to_be_visible()
    wrong, pressed = drawer.wrong, []
    while wrong and len(pressed) < KEYS:
        ids = (stage.get_attribute("data-ids") or "").split()
        proposed = stage.locator("h2 bdi").last.inner_text()
        right = [drawer.truth[id_] == proposed for id_ in ids]
        pressed.append("Enter" if all(right) else "ArrowDown" if any(right) else "k")
        page.keyboard.press(pressed[-1])
        if all(right):
            wrong -= set(ids)
    expect(stage).to_have_attribute("data-waiting", "0")
    assert drawer.wrong == set()
    assert len(pressed) < KEYS, pressed
    assert drawer.recall >= drawer.before - MARGIN
