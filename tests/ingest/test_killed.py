"""Kill -9 in the middle of an ingest, again and again."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from holotype.images.picture import read_picture
from holotype.references import reference_id
from holotype.store.port import VectorStore
from tests.fakes import ColourEncoder
from tests.image_files import make_tree, picture

BATCH = 4
IN_FLIGHT = 2 * BATCH
"""Pictures that may be embedded and not yet written: the batch that is being written and the one
that is being encoded."""


@dataclass
class Told:
    """What one process said before it ended."""

    embedded: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    finished: bool = False

    def read(self, line: str) -> None:
        """One line of `killable.py`."""
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "embedding":
            self.embedded.append(rest)
        else:
            outcome = json.loads(rest)
            {"added": self.added, "already_present": self.present}[outcome["outcome"]].append(
                outcome["id"]
            )


def run_until(
    folder: Path,
    *,
    lines: int | None,
    end: signal.Signals = signal.SIGKILL,
    log: Path = Path(os.devnull),
) -> Told:
    """Ingest; send the signal after so many lines (None: let it finish)."""
    told = Told()
    command = [sys.executable, "-m", "tests.ingest.killable", str(folder)]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        for number, line in enumerate(process.stdout, start=1):
            told.read(line)
            if number == lines:
                process.send_signal(end)  # what is in the pipe was said, and is read as well
    told.finished = process.returncode == 0
    return told


def test_add__killed_ten_times_loses_and_repeats_nothing(
    images: Path, open_store: Callable[..., VectorStore]
) -> None:
    """After ten kills at random moments and one full run, every reference is there once.

    Everything that was reported as added before a kill is there after it and is never
    embedded again; what is embedded twice was in flight when the process died.
    """
    numbers = range(600)
    make_tree(images, {"bee": [*numbers[::2]], "wasp": [*numbers[1::2]]})
    pixels_of = {_id(n): _pixels(n) for n in numbers}
    moments = random.Random(20)
    stored: set[str] = set()
    embedded: Counter[str] = Counter()
    kills = 0
    while kills < 10:
        told = run_until(images, lines=len(stored) + moments.randint(1, 60))
        assert not told.finished
        kills += 1
        again = embedded.keys() & set(told.embedded)
        assert len(again) <= IN_FLIGHT
        assert not again & {pixels_of[id_] for id_ in stored}
        embedded.update(told.embedded)
        stored.update(told.added)
        with open_store(create=False) as store:
            assert store.existing(sorted(stored)).keys() == stored
    told = run_until(images, lines=None)
    assert told.finished
    assert {*told.added, *told.present} == pixels_of.keys()
    with open_store(create=False) as store:
        assert store.counts() == {"bee": 300, "wasp": 300}
        ids = [id_ for batch in store.export() for id_ in batch.ids]
    assert len(ids) == len(set(ids)) == 600


def test_add__interrupted_says_what_it_waits_for_and_keeps_what_it_said(
    images: Path, tmp_path: Path, open_store: Callable[..., VectorStore]
) -> None:
    """Ctrl-C ends the run after the batch in hand, with a word for people; nothing is lost."""
    make_tree(images, {"bee": [*range(600)]})
    log = tmp_path / "log"
    told = run_until(images, lines=100, end=signal.SIGINT, log=log)
    assert not told.finished
    assert log.read_text().startswith("stopping after the batch in hand; Ctrl-C again to stop at")
    assert 0 < len(told.added) < 600
    with open_store(create=False) as store:
        assert store.existing(told.added).keys() == set(told.added)


def _id(number: int) -> str:
    return reference_id(hashlib.sha256(picture(number)).hexdigest())


def _pixels(number: int) -> str:
    recipe = ColourEncoder().recipe
    return hashlib.sha256(read_picture(picture(number), recipe).pixels.tobytes()).hexdigest()
