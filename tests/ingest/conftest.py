"""A real embedded gallery, an encoder that counts, and a run of `add` on both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, Outcome
from holotype.store.port import VectorStore
from ingest import cli
from ingest.adding import add
from ingest.local import LocalBackend
from ingest.summary import Summary
from tests.fakes import ColourEncoder


@dataclass
class Run:
    """What one run said and did."""

    summary: Summary
    said: list[FileOutcome]

    @property
    def outcomes(self) -> list[Outcome]:
        """In the order of the files."""
        return [outcome.outcome for outcome in self.said]

    def reasons(self, outcome: Outcome) -> list[str]:
        """Reasons of the files with this outcome."""
        return [said.reason or "" for said in self.said if said.outcome is outcome]


@dataclass
class Worker:
    """Runs `add` again and again on one gallery with one counting encoder."""

    store: VectorStore
    encoder: ColourEncoder = field(default_factory=ColourEncoder)
    loaded: int = 0

    def backend(self) -> LocalBackend:
        """A new backend, as every run of the command has."""

        def load() -> ColourEncoder:
            self.loaded += 1
            return self.encoder

        return LocalBackend(self.store, load, workers=2)

    def add(self, found: Iterable[Incoming], **options: Any) -> Run:
        """One run."""
        said: list[FileOutcome] = []
        summary = add(found, self.backend(), workers=2, listen=said.append, **options)
        return Run(summary, said)


@pytest.fixture
def worker(store: VectorStore) -> Iterator[Worker]:
    """A worker on an empty embedded gallery."""
    return Worker(store)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An empty folder for pictures."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@dataclass(frozen=True)
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


Ingest = Callable[..., Done]


@pytest.fixture
def ingest(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """Runs the command line in this process: importing torch once is enough."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["ingest", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run
