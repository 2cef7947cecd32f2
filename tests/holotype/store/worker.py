"""A process that owns an embedded gallery, for tests of locks and of kill -9.

`python -m tests.holotype.store.worker hold|fill|create|index|undo HOME`, from the project's root.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from holotype.store.edge import space
from holotype.store.edge.indexing import build_index
from holotype.store.edge.shard import Shard
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


def undo(home: str) -> None:
    """Undo the oldest action but one, and wait to be killed when a part of it is done."""
    bring_back = EdgeStore._restore

    def and_wait(store: EdgeStore, *arguments: Any) -> None:
        bring_back(store, *arguments)
        _say("restored")
        signal.pause()

    EdgeStore._restore = and_wait  # type: ignore[method-assign]
    store = open_home(home)
    store.undo(store.history()[-2].action.id)


def create(home: str) -> None:
    """Die in the middle of creating the gallery."""
    space.write_json = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    open_home(home)


def index(home: str) -> None:
    """Die while the index is being built, or at the latest when it is."""
    build = Shard.build_index

    def build_and_die(shard: Shard) -> None:
        # The engine holds the interpreter lock: only the operating system can interrupt it.
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        build(shard)
        signal.pause()

    Shard.build_index = build_and_die
    build_index(Path(home), "default")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"hold": hold, "fill": fill, "create": create, "index": index, "undo": undo}[sys.argv[1]](
        sys.argv[2]
    )
