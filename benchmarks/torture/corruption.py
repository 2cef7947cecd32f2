"""Damage every file of an embedded gallery, and open it: nothing may be missing without a word.

    python -m benchmarks.torture.corruption [--cases 300] [--seed N]

Files are cut short or get other bits, one at a time, in a gallery that was closed in order and
in one whose owner was killed. Opening must end with everything there, or with an error that
says what to do (restore, repair, or train a head that is lost); never with a crash, a hang,
another error, a word from the engine on standard error, or fewer references or heads. Then
`ingest verify --repair` must make a gallery of it that opens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.torture.kills import GALLERY, State, look, open_trial, step
from holotype.errors import GalleryMissing, StoreError, UnknownHead
from holotype.store.edge.repair import verify_gallery

HANG_S: Final = 60.0
OPERATIONS: Final = 30
SEED: Final = 5

_NOT_OURS: Final = ("owner.json", "owner.lock", "reserve")


@dataclass(frozen=True, slots=True)
class Case:
    """One damage."""

    base: str
    """`closed` or `killed`."""
    file: str
    how: str
    """`cut N` to N bytes, or `flip N`, the Nth bit."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a case."""

    case: Case
    outcome: str
    """`whole`, `refused`, or what must not be."""
    kept: float
    """Share of the references that a repair kept."""
    detail: str

    @property
    def is_bad(self) -> bool:
        """Whether this must not be."""
        return self.outcome not in {"whole", "refused"}


def make(folder: Path) -> State:
    """Two galleries of the same content in `folder`: `closed` and `killed`; returns what is in."""
    state = State()
    source = folder / "source"
    with open_trial(source) as store:
        for number in range(OPERATIONS):
            step(number, SEED, state, store)
            if number == OPERATIONS // 2:
                store._space.flush()  # noqa: SLF001  the rest is in the log alone
        _copy(source, folder / "killed")
    _copy(source, folder / "closed")
    return state


def cases(folder: Path, count: int, seed: int) -> list[Case]:
    """So many, spread over all files of both galleries."""
    dice = random.Random(seed)
    found = []
    for base in ("closed", "killed"):
        for path in sorted((folder / base).rglob("*")):
            if path.is_file() and path.name not in _NOT_OURS:
                name = path.relative_to(folder / base).as_posix()
                found += [Case(base, name, how) for how in _damages(path, dice)]
    return dice.sample(found, min(count, len(found)))


def run(folder: Path, chosen: Sequence[Case]) -> Iterator[Ended]:
    """Try them in processes of their own, since some may die."""
    worker: subprocess.Popen[bytes] | None = None
    for case in chosen:
        if worker is None or worker.poll() is not None:
            worker = _start(folder)
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(f"{case.base}\t{case.file}\t{case.how}\n".encode())
        worker.stdin.flush()
        ready, _, _ = select.select([worker.stdout], [], [], HANG_S)
        line = worker.stdout.readline() if ready else b""
        if line:
            yield Ended(case, **json.loads(line))
            continue
        worker.kill()
        code = worker.wait()
        how = signal.Signals(-code).name if code < 0 else str(code)
        yield Ended(case, "it hangs" if not ready else f"the process ended ({how})", 0.0, "")
    if worker is not None:
        worker.kill()
        worker.communicate()


def main() -> int:
    """Damage, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=20261101)
    parser.add_argument("--work", type=Path, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        work(given.work)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        ended = list(run(folder, cases(folder, given.cases, given.seed)))
    outcomes = Counter(end.outcome for end in ended)
    kept = sum(end.kept for end in ended) / max(1, len(ended))
    sys.stdout.write(f"{len(ended)} damages: {dict(outcomes)}; a repair kept {kept:.1%}\n")
    for end in ended:
        if end.is_bad or end.kept < 1:
            case = end.case
            told = f"{end.outcome}, kept {end.kept:.0%}: {end.detail[:300]}"
            sys.stdout.write(f"  {case.base} {case.file} {case.how}: {told}\n")
    return int(any(end.is_bad for end in ended))


def work(folder: Path) -> None:
    """Take cases from standard input, and answer each with a line."""
    wanted = _wanted(folder)
    for line in sys.stdin:
        ended = _try(folder, Case(*line.rstrip("\n").split("\t")), wanted)
        sys.stdout.write(json.dumps(ended) + "\n")
        sys.stdout.flush()


def _try(folder: Path, case: Case, wanted: State) -> dict[str, Any]:
    home = folder / "case"
    shutil.rmtree(home, ignore_errors=True)
    _copy(folder / case.base, home)
    _damage(home / case.file, case.how)
    told = os.memfd_create("stderr")
    os.dup2(told, 2)
    outcome, detail = "whole", ""
    try:
        with open_trial(home) as store:
            found = look(store)
        if found != wanted:
            outcome = "something is missing without a word"
            detail = f"{len(found.labels)} of {len(wanted.labels)}, {found.heads}, {found.active}"
    except (StoreError, UnknownHead) as error:
        outcome, detail = "refused", str(error)
        if not any(word in detail for word in ("restore", "GalleryMissing", "run `retrain`")):
            outcome = "refused without a remedy"
    except BaseException as error:  # noqa: BLE001  this is what is looked for
        outcome, detail = f"{type(error).__name__}", str(error)
    if b"panicked" in os.pread(told, 1 << 16, 0):
        outcome, detail = "a panic was printed", os.pread(told, 500, 0).decode(errors="replace")
    os.close(told)
    if outcome == "whole":
        return {"outcome": outcome, "kept": 1.0, "detail": detail}
    try:
        verify_gallery(home, GALLERY, repair=True, command="a trial", keep_free=0)
        with open_trial(home) as store:
            left = look(store)
            again = store.verify().damages
        kept = len(left.labels.keys() & wanted.labels.keys()) / len(wanted.labels)
        # Without its log a killed owner's last removals are undone.
        unwanted = left.labels.keys() - wanted.labels.keys() if case.base == "closed" else ()
        if again or unwanted:
            outcome = f"damaged after the repair ({again[:3]}, {[*unwanted][:3]})"
    except GalleryMissing:
        kept = 0.0
    except StoreError as error:
        kept = 0.0
        if "gallery.json" not in str(error):
            outcome, detail = "the repair failed", str(error)
    except BaseException as error:  # noqa: BLE001  as above
        kept, outcome, detail = 0.0, f"the repair: {type(error).__name__}", str(error)
    return {"outcome": outcome, "kept": kept, "detail": detail}


def _copy(source: Path, target: Path) -> None:
    # Most of an engine's files are holes, which shutil would fill.
    command = ["cp", "-a", "--sparse=always", str(source), str(target)]
    subprocess.run(command, check=True)


def _wanted(folder: Path) -> State:
    home = folder / "wanted"
    shutil.rmtree(home, ignore_errors=True)
    _copy(folder / "closed", home)
    with open_trial(home) as store:
        return look(store)


def _damages(path: Path, dice: random.Random) -> list[str]:
    size = path.stat().st_size
    if not size:
        return []
    with path.open("rb") as file:
        data = file.read(1 << 20).rstrip(b"\0")
    cuts = {0, size // 2, size - 1, len(data) // 2}
    flips = {dice.randrange(8 * max(1, len(data))) for _ in range(4)}
    return [f"cut {n}" for n in sorted(cuts)] + [f"flip {n}" for n in sorted(flips)]


def _damage(path: Path, how: str) -> None:
    word, number = how.split()
    with path.open("r+b") as file:
        if word == "cut":
            file.truncate(int(number))
            return
        byte, bit = divmod(int(number), 8)
        file.seek(byte)
        old = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([old ^ (1 << bit)]))


def _start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.torture.corruption", "--work", str(folder)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


if __name__ == "__main__":
    sys.exit(main())
