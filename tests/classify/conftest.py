"""A gallery of coloured pictures in the real embedded engine, and the command to query it."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from classify import cli
from head.trust.calibration import Calibration
from head.versions import registry
from head.versions.head import Head
from holotype.heads import HeadRecord
from holotype.images.picture import read_picture
from holotype.references import EmbeddedReference, Reference, Where, reference_id
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore
from tests.fakes import ColourEncoder

COLOURS = {"red": (200, 40, 40), "green": (40, 190, 50), "blue": (40, 60, 210)}


def picture(colour: str, seed: int, *, spread: int = 30) -> bytes:
    """A PNG around a colour; another seed is another picture of the same class."""
    random = np.random.default_rng(seed)
    base = np.array(COLOURS[colour]) + random.integers(-spread, spread + 1, 3)
    noise = random.integers(-10, 11, (40, 48, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


class ColourGallery:
    """A store filled picture by picture through the colour encoder."""

    def __init__(self, home: Path) -> None:
        self.encoder = ColourEncoder()
        self.home = home

    def open(self, *, create: bool = False) -> VectorStore:
        """The store; the caller closes it."""
        return open_store(
            Settings.load(home=self.home),
            fingerprint=self.encoder.fingerprint,
            command="a test",
            create=create,
        )

    def embed(self, data: bytes) -> np.ndarray:
        """(D,) the vector of a picture."""
        return self.encoder.encode([read_picture(data, self.encoder.recipe).pixels])[0]

    def reference(
        self, data: bytes, label: str, *, group: str | None = None, **meta: str
    ) -> EmbeddedReference:
        """A picture as a reference."""
        sha256 = hashlib.sha256(data).hexdigest()
        described = Reference(
            id=reference_id(sha256),
            label=label,
            sha256=sha256,
            source=f"drawer/{label}/{sha256[:6]}.png",
            width=48,
            height=40,
            added_at="2026-01-01T00:00:00+00:00",
            group=group,
            meta=meta,
        )
        thumbnail = read_picture(data, self.encoder.recipe).thumbnail
        return EmbeddedReference(described, self.embed(data), thumbnail)

    def fill(self, *references: EmbeddedReference) -> None:
        """Add references and let go of the store."""
        with self.open(create=True) as store:
            store.add(references)


def fill_with_colours(gallery: ColourGallery) -> ColourGallery:
    """Six references each of red, green and blue; even seeds at site A, odd ones at B."""
    gallery.fill(
        *(
            gallery.reference(picture(colour, seed), colour, site="AB"[seed % 2])
            for colour in COLOURS
            for seed in range(6)
        )
    )
    return gallery


def calibration_of_margins(sharpness: float, *, seed: int = 1) -> Calibration:
    """Fitted on 2,000 answers: the higher the margin, the more are right."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, 2000)
    scores = rng.normal(size=(2000, 3))
    scores[np.arange(2000), truth] += 2
    return Calibration.fit(scores * sharpness, truth)


def publish_head(
    store: VectorStore,
    *labels: str,
    version: str = "20260101-000000-aaaa",
    calibration: Mapping[str, Calibration] | None = None,
) -> Head:
    """Make a head active that scores each label by its class mean: trained in no time."""
    rows = {label: list(store.export(where=Where.equal("label", label))) for label in labels}
    means = np.stack([np.concatenate([b.vectors for b in rows[label]]).mean(0) for label in labels])
    head = Head(
        record=HeadRecord(
            version,
            "2026-01-01T00:00:00+00:00",
            "ready",
            labels,
            report={},
        ),
        labels=labels,
        weights=(20 * means).astype(np.float32),
        bias=(-10 * (means**2).sum(axis=1)).astype(np.float32),
        calibration=dict(calibration or {}),
    )
    store.save_head(head.to_stored())
    registry.promote(store, version)
    return head


@pytest.fixture(scope="session")
def shared_gallery(tmp_path_factory: pytest.TempPathFactory) -> ColourGallery:
    """See `gallery`; making an embedded gallery takes a second, so that tests share it."""
    return fill_with_colours(ColourGallery(tmp_path_factory.mktemp("gallery")))


@pytest.fixture
def gallery(shared_gallery: ColourGallery, monkeypatch: pytest.MonkeyPatch) -> ColourGallery:
    """Six references each of red, green and blue; even seeds at site A, odd ones at B.

    For reading only.
    """
    monkeypatch.setenv("HOLOTYPE_HOME", str(shared_gallery.home))
    return shared_gallery


@pytest.fixture
def empty_gallery(tmp_path: Path) -> ColourGallery:
    """Nothing added yet, not even the gallery made."""
    return ColourGallery(tmp_path / "home")


@pytest.fixture
def own_gallery(empty_gallery: ColourGallery) -> ColourGallery:
    """What `gallery` holds, for this test alone."""
    return fill_with_colours(empty_gallery)


@pytest.fixture
def store(gallery: ColourGallery) -> Iterator[VectorStore]:
    """The shared gallery, open, for reading only."""
    with gallery.open() as opened:
        yield opened


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def encoder() -> ColourEncoder:
    """The encoder of `run`."""
    return ColourEncoder()


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], encoder: ColourEncoder
) -> Run:
    """Run `classify ARGUMENTS` in this process, with the colour encoder for a backbone."""

    def load(settings: Settings) -> ColourEncoder:
        encoder.batch_size = settings.batch_size or encoder.batch_size
        return encoder

    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", load)

    def command(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["classify", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        streams = capfd.readouterr()
        return Ran(code, streams.out, streams.err)

    return command
