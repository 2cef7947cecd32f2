"""A process that owns an embedded gallery, for tests of locks and of kill -9.

`python -m tests.holotype.store.worker hold|fill|create HOME`, from the project's root.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from holotype.store.edge import space
from holotype.store.edge.store import EdgeStore
from tests.fakes import ColourEncoder
from tests.references import Pictures

BATCH = 8


def open_home(home: str) -> EdgeStore:
    """The gallery that the tests look at."""
    return EdgeStore.open(
        Path(home),
        "default",
        fingerprint=ColourEncoder().fingerprint,
        command="worker of a test",
        create=True,
    )


def hold(home: str) -> None:
    """Own the gallery until standard input ends."""
    with open_home(home):
        _say("ready")
        sys.stdin.read()


def fill(home: str) -> None:
    """Go on adding batches until killed, saying how many references are stored after each."""
    store = open_home(home)
    pictures = Pictures(store.fingerprint.dimension)
    done = store.count()
    while True:
        store.add(pictures.many("wasp", BATCH, first=done))
        done += BATCH
        _say(str(done))


def create(home: str) -> None:
    """Die in the middle of creating the gallery."""
    space.write_json = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    open_home(home)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"hold": hold, "fill": fill, "create": create}[sys.argv[1]](sys.argv[2])
