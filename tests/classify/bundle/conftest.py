"""A gallery of coloured pictures with real weights and a trained head, sealed into bundles."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from classify.bundle.command import run_bundle
from demo.weights import BACKBONE
from head.job import retrain
from holotype.encoder import load_encoder
from holotype.intake.folders import Folders
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore
from ingest.adding import add
from ingest.opening import open_backend

COLOURS = {"blue": (40, 60, 210), "green": (40, 190, 50), "red": (200, 40, 40)}
NEWCOMER = {"violet": (170, 60, 200)}
PER_CLASS = 8

NO_NETWORK = """
import sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo"}:
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(refuse)
"""
"""Runs in the fresh environment before anything else."""


def picture(label: str, seed: int) -> bytes:
    """A PNG around a colour; another seed is another picture of the same class."""
    random = np.random.default_rng([seed, *label.encode()])
    base = np.array((COLOURS | NEWCOMER)[label]) + random.integers(-30, 31, 3)
    noise = random.integers(-10, 11, (80, 96, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Made:
    """A gallery whose head was trained before its last class came."""

    settings: Settings
    folder: Path
    """Where it and its pictures are."""
    queries: Path
    """A folder of pictures that it does not hold."""

    @contextmanager
    def store(self) -> Iterator[VectorStore]:
        """Its store."""
        with open_store(self.settings, fingerprint=None, command="a test", create=False) as opened:
            yield opened

    def bundle(self, file: Path, **options: Any) -> Path:
        """Seal it."""
        assert run_bundle(file, self.settings, **{"references": 1000, **options}) == 0
        return file


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, lite0_checkpoint: Path) -> Made:
    """The gallery: three classes that its head was trained on, and one that came later."""
    folder = tmp_path_factory.mktemp("sealed")
    settings = Settings.load(
        home=folder / "home", gallery="colours",
        backbone=BACKBONE, checkpoint=lite0_checkpoint, image_size=64,
    )  # fmt: skip
    for label in COLOURS | NEWCOMER:
        for seed in range(PER_CLASS + 1):
            when = "then" if label in COLOURS else "since"
            split = "queries" if seed == PER_CLASS else f"{when}/{label}"
            path = folder / split / f"{label}-{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(label, seed))
    with open_backend(settings, command="a test", load=load_encoder) as backend:
        add(Folders([folder / "then"]), backend)
    made = Made(settings, folder, folder / "queries")
    with made.store() as store:
        retrain(store)
    with open_backend(settings, command="a test", load=load_encoder) as backend:
        add(Folders([folder / "since"]), backend)
    return made


@pytest.fixture(scope="session")
def sealed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the whole gallery."""
    return made.bundle(tmp_path_factory.mktemp("bundle") / "colours.holotype")


@pytest.fixture(scope="session")
def sample(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of twelve of its references."""
    file = tmp_path_factory.mktemp("sample") / "colours.holotype"
    return made.bundle(file, references=12)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the three packages alone, in which nobody may connect."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    wanted = [f"{name}=={version(name)}" for name in ("onnxruntime", "numpy", "pillow")]
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python,
         "install", "--quiet", "--only-binary", ":all:", "--retries", "5", *wanted],
        check=True,
    )  # fmt: skip
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    return python


@dataclass(frozen=True)
class Ran:
    """What a bundle left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def run(python: Path | str, *arguments: str | Path, cache: Path, **environment: str) -> Ran:
    """`python ARGUMENTS`, which sees nothing of this checkout and keeps its memory in `cache`."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HOLOTYPE_"))}
    done = subprocess.run(
        [str(python), *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cache,
        env=outside | {"XDG_CACHE_HOME": str(cache)} | environment,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)
