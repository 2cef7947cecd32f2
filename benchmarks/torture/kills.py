"""Kill -9 a writer of an embedded gallery, again and again: nothing that it reported is lost.

    python -m benchmarks.torture.kills [--kills 100] [--seed N] [--home DIR]

A writer adds, relabels and removes references and saves heads, in an order that follows from
the seed, and says when it begins an operation and when it has returned. It is killed while it
opens, writes, flushes or closes. Afterwards the gallery must open without a complaint and hold
exactly what the operations that returned made of it, or that with the one that was under way.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.references import EmbeddedReference, Reference, reference_id
from holotype.store.edge import idle_flush
from holotype.store.edge.store import EdgeStore

GALLERY: Final = "killed"
DIMENSION: Final = 32
LABELS: Final = ("bee", "wasp", "hoverfly")
OPERATIONS_A_RUN: Final = 40
PATIENCE_S: Final = 120.0


@dataclass
class State:
    """What a gallery holds."""

    labels: dict[int, str] = field(default_factory=dict)
    """By the number of a reference."""
    heads: set[str] = field(default_factory=set)
    active: str | None = None

    def copy(self) -> State:
        """One that can be changed."""
        return State(dict(self.labels), set(self.heads), self.active)


def step(number: int, seed: int, state: State, store: EdgeStore | None = None) -> None:
    """Do operation `number` to the state, and to the store where there is one.

    It follows from the state, so whoever knows the state before it knows the one after it.
    """
    dice = random.Random(f"{seed} {number}")
    kind = dice.choices(["add", "relabel", "remove", "head"], [6, 2, 2, 1])[0]
    known = sorted(state.labels)
    some = dice.sample(known, min(len(known), dice.randint(1, 20)))
    label = dice.choice(LABELS)
    if kind == "add" or not known:
        first = number * 1000
        new = range(first, first + dice.randint(1, 64))
        if store is not None:
            store.add([_reference(n, label) for n in new])
        state.labels |= dict.fromkeys(new, label)
    elif kind == "relabel":
        if store is not None:
            store.relabel(label, ids=[_id(n) for n in some])
        state.labels |= dict.fromkeys(some, label)
    elif kind == "remove":
        if store is not None:
            store.remove(ids=[_id(n) for n in some])
        for n in some:
            del state.labels[n]
    else:
        version = f"v{number}"
        if store is not None:
            store.save_head(_head(version))
            store.set_active_head(ActiveHead(version, ()))
        state.heads.add(version)
        state.active = version


def look(store: EdgeStore) -> State:
    """What is there."""
    listed = store.list_references(limit=1_000_000).references
    active = store.active_head()
    heads = {record.version for record in store.heads()}
    for version in heads:
        store.load_head(version)
    return State(
        {int(r.source): r.label for r in listed}, heads, None if active is None else active.version
    )


def write(home: Path, seed: int, first: int) -> None:
    """Operate from `first` on, and say so; then close."""
    with open_trial(home) as store:
        state = look(store)
        for number in range(first, first + OPERATIONS_A_RUN):
            _tell(f"begin {number}")
            step(number, seed, state, store)
            _tell(f"done {number}")
            if number % 7 == 0:
                time.sleep(3 * idle_flush.QUIET_S)  # time for a flush in the background
    _tell("closed")


def kill_once(home: Path, seed: int, first: int, before: State, dice: random.Random) -> int:
    """Run a writer from operation `first` on, kill it, and look at what it left.

    Args:
        home: where the gallery lives.
        seed: of the operations.
        first: number of the next one.
        before: what the gallery holds; becomes what it holds afterwards.
        dice: when to kill.

    Returns:
        The number of the next operation.

    Raises:
        AssertionError: something that was reported is not there, or something else is.
    """
    command = [sys.executable, "-m", "benchmarks.torture.kills", "--write", str(home),
               "--seed", str(seed), "--first", str(first)]  # fmt: skip
    lines = dice.randint(0, 2 * OPERATIONS_A_RUN + 1)
    begun = done = first - 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        if lines == 0:
            time.sleep(dice.random())  # while it starts and opens
        for number, line in enumerate(writer.stdout, start=1):
            word, _, rest = line.partition(" ")
            begun = int(rest) if word == "begin" else begun
            done = int(rest) if word == "done" else done
            if number == lines:
                time.sleep(dice.random() * 0.02)
                break
        writer.kill()
        for line in writer.stdout:  # what is in the pipe was said
            word, _, rest = line.partition(" ")
            begun = int(rest) if word == "begin" else begun
            done = int(rest) if word == "done" else done
    for number in range(first, done + 1):
        step(number, seed, before)
    with open_trial(home) as store:
        found = look(store)
        damages = store.verify().damages
    assert not damages, damages
    allowed = [before]
    if begun > done:
        after = before.copy()
        step(begun, seed, after)
        # A head is saved before the pointer moves.
        allowed += [after, State(after.labels, after.heads, before.active)]
    assert found in allowed, _difference(before, found)
    before.labels, before.heads, before.active = found.labels, found.heads, found.active
    return max(begun, done, first - 1) + 1


def main() -> int:
    """Kill so often, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261101)
    parser.add_argument("--home", type=Path, default=None, help="default: a temporary folder")
    parser.add_argument("--write", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write is not None:
        idle_flush.QUIET_S = 0.01  # type: ignore[misc]  flushes while it writes, to be killed in them
        write(given.write, given.seed, given.first)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        report = torment(given.home or Path(folder), kills=given.kills, seed=given.seed)
    sys.stdout.write(report + "\n")
    return 0


def torment(home: Path, *, kills: int, seed: int) -> str:
    """Kill a writer so often; returns what came of it in a line."""
    open_trial(home).close()
    dice, state, number = random.Random(seed), State(), 0
    for kill in range(1, kills + 1):
        number = kill_once(home, seed, number, state, dice)
        if kill % 10 == 0:
            sys.stderr.write(f"{kill} kills, {number} operations: nothing lost\n")
    return (
        f"{kills} kills, {number} operations begun, {len(state.labels)} references and "
        f"{len(state.heads)} heads at the end: nothing reported was lost, no false alarm"
    )


def open_trial(home: Path) -> EdgeStore:
    """The gallery that is tried, made if need be."""
    fingerprint = Fingerprint("trial", "0" * 64, 32, "none", "none", "l2", DIMENSION)
    return EdgeStore.open(
        home, GALLERY, fingerprint=fingerprint, command="a trial", create=True, keep_free=0
    )


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _sha256(number: int) -> str:
    return f"{number:064x}"


def _id(number: int) -> str:
    return reference_id(_sha256(number))


def _reference(number: int, label: str) -> EmbeddedReference:
    vector = np.random.default_rng(number).normal(size=DIMENSION).astype(np.float32)
    reference = Reference(
        id=_id(number),
        label=label,
        sha256=_sha256(number),
        source=str(number),
        width=1,
        height=1,
        added_at="2026-11-01T12:00:00+00:00",
    )
    thumbnail = bytes(number % 251 for _ in range(2_000))
    return EmbeddedReference(reference, vector / np.linalg.norm(vector), thumbnail)


def _head(version: str) -> StoredHead:
    record = HeadRecord(version, "2026-11-01T12:00:00+00:00", "ready", LABELS, {})
    weights = np.full((len(LABELS), DIMENSION + 1), len(version), dtype=np.float32)
    return StoredHead(record, {"linear": weights})


def _difference(wanted: State, found: State) -> str:
    missing = sorted(wanted.labels.keys() - found.labels.keys())[:5]
    more = sorted(found.labels.keys() - wanted.labels.keys())[:5]
    return (
        f"missing {missing}, unexpected {more}, heads {sorted(wanted.heads ^ found.heads)}, "
        f"active {wanted.active} and {found.active}"
    )


if __name__ == "__main__":
    sys.exit(main())
