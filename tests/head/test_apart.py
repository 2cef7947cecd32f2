"""Training in a child process: the same head, or one clear error, whatever becomes of the child."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import pytest

from head import apart, process
from head.apart import ChildTrainer
from head.data.training_set import export_training_set
from head.fit.options import TrainOptions
from head.job import retrain
from head.process import NICENESS
from head.steps import Standing, Steps
from head.train import train
from head.versions import lease, registry
from head.versions.lease import NAME
from holotype.errors import DiskFull, HeadBusy, HeadError, HolotypeError, TooFewReferences
from holotype.heads import Lease
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.head.versions.test_lease import take_over
from tests.head.versions.test_newer_classes import Paged
from tests.references import Pictures

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

Children = list["subprocess.Popen[bytes]"]


@pytest.fixture
def gallery(store: VectorStore, clouds: Clouds, pictures: Pictures) -> VectorStore:
    """Three classes of twelve."""
    store.add(clouds.references(SIZES, pictures))
    return store


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[ChildTrainer]:
    """Has its files in `tmp_path`, where none is ever seen."""
    with ChildTrainer(tmp_path) as one:
        yield one


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """The processes that a test starts; all of them have ended when it ends."""
    started: Children = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    yield started
    assert all(child.returncode is not None for child in started)


@pytest.fixture
def child_runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the child run a program: `say(text)`, `child` and `os` are there."""
    before = (
        "import json, os, sys, time; from head import child; "
        "from head.steps import Standing; "
        "say = lambda text: print(json.dumps({'step': text, 'share': 0.5}), flush=True)\n"
    )

    def become(program: str) -> None:
        monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", before + program))

    return become


HANGING = "say('hanging'); time.sleep(1000)"


def test_train__the_same_head_bit_for_bit(clouds: Clouds, trainer: ChildTrainer) -> None:
    """Numbers, report and steps are those of the same function in this process."""
    data = clouds.training_set(SIZES)
    champion = train(data)
    steps: dict[str, list[Standing]] = {"here": [], "there": []}

    here = train(data, champion, TrainOptions(steps=Steps(steps["here"].append))).to_stored()
    options = TrainOptions(steps=Steps(steps["there"].append))
    there = trainer.train(data, champion, options).to_stored()

    assert steps["there"] == steps["here"]
    assert json.dumps(there.record.report) == json.dumps(here.record.report)
    assert there.record.labels == here.record.labels
    assert there.blocks.keys() == here.blocks.keys()
    for name, block in here.blocks.items():
        assert there.blocks[name].dtype == block.dtype
        assert np.array_equal(there.blocks[name], block)


def test_retrain__in_a_child_is_a_retrain(gallery: VectorStore, tmp_path: Path) -> None:
    """The whole job, twice: exported, trained against the head before, saved, active."""
    here = registry.load(gallery, retrain(gallery).version or "")
    for _ in range(2):
        with ChildTrainer(tmp_path) as trainer:
            result = retrain(gallery, train=trainer.train, allocate=trainer.allocate)
        there = registry.active(gallery)
        assert there is not None
        assert there.version == result.version
        assert np.array_equal(there.weights, here.weights)
        assert there.calibration == here.calibration
    assert result.report["comparison"]["references"] == 36


def test_train__an_error_of_the_function(clouds: Clouds, trainer: ChildTrainer) -> None:
    """Is the same error here, with the same words."""
    with pytest.raises(TooFewReferences, match="only 1: train on references of two at least"):
        trainer.train(clouds.training_set({"ant": 5}), None, TrainOptions())


def test_retrain__killed_while_training(
    gallery: VectorStore, trainer: ChildTrainer, children: Children
) -> None:
    """Says what happened; no head is there, none is active, and the next run may start."""

    def kill(_standing: Standing) -> None:
        for child in children:
            child.kill()

    with pytest.raises(HeadError, match=r"ended before it was done \(killed by SIGKILL\)"):
        retrain(gallery, tell=kill, train=trainer.train, allocate=trainer.allocate)

    assert len(children) == 1
    assert gallery.heads() == []
    assert gallery.active_head() is None
    assert gallery.acquire_lease(NAME, holder="next", seconds=1).holder == "next"


def test_train__leaves_nothing_on_the_disk(
    clouds: Clouds, child_runs: Callable[[str], None], tmp_path: Path
) -> None:
    """Not even while it trains: a process that is killed cannot tidy up."""
    child_runs(HANGING)
    seen: list[list[Path]] = []

    def look(_standing: Standing) -> None:
        seen.append(list(tmp_path.iterdir()))
        raise HeadError("seen enough")

    with ChildTrainer(tmp_path) as trainer, pytest.raises(HeadError, match="seen enough"):
        trainer.train(clouds.training_set(SIZES), None, TrainOptions(steps=Steps(look)))
    assert seen == [[]]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print('hello')", r"said what it should not: b'hello'"),
        ("print('[1, 2]')", r"said what it should not: b'\[1, 2\]'"),
        ("os.write(1, bytes(3 << 20)); time.sleep(1000)", r"said what it should not: b'\\x00"),
        ("sys.exit(3)", r"ended before it was done \(exit status 3\)"),
        ("os.write(1, b'{')", r"ended before it was done \(exit status 0\)"),
        ("print(json.dumps({'done': True}))", r"left no head that can be read"),
        (
            "os.write(int(sys.argv[3]), b'[{}, [\"linear\"]]\\n\\x93NUMPY'); "
            "print(json.dumps({'done': True}))",
            r"left no head that can be read",
        ),
        (
            "os.write(int(sys.argv[3]), b'[[], []]\\n'); print(json.dumps({'done': True}))",
            r"left no head that can be read",
        ),
    ],
)
def test_train__a_child_out_of_order(
    clouds: Clouds,
    trainer: ChildTrainer,
    children: Children,
    child_runs: Callable[[str], None],
    program: str,
    message: str,
) -> None:
    """Whatever it says, or leaves, or does not, is one error."""
    child_runs(program)
    with pytest.raises(HeadError, match=message):
        trainer.train(clouds.training_set(SIZES), None, TrainOptions())
    assert len(children) == 1


def test_train__what_the_child_prints_is_no_message(
    clouds: Clouds,
    trainer: ChildTrainer,
    child_runs: Callable[[str], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Libraries may print: it goes to standard error, and the head comes all the same."""
    child_runs(
        "real = child.train\n"
        "def train(*args):\n"
        "    print('{\"done\": true}', flush=True); os.write(1, b'from C'); return real(*args)\n"
        "child.train = train; child.main()"
    )
    head = trainer.train(clouds.training_set(SIZES), None, TrainOptions())

    assert head.labels == ("ant", "bee", "wasp")
    printed = capfd.readouterr()
    assert printed.out == ""
    assert '{"done": true}' in printed.err
    assert "from C" in printed.err


def test_train__gives_way_and_cannot_change_the_vectors(
    clouds: Clouds, trainer: ChildTrainer, children: Children, child_runs: Callable[[str], None]
) -> None:
    """The child runs at a lower priority, on vectors that it may only read."""
    child_runs(
        "def train(training, champion, options):\n"
        "    words = json.dumps([os.nice(0), training.vectors.flags.writeable])\n"
        "    options.steps.pass_on(Standing(words, 0.5))\n"
        "    time.sleep(1000)\n"
        "child.train = train; child.main()"
    )
    said: list[list[Any]] = []

    def note(standing: Standing) -> NoReturn:
        said.append(json.loads(standing.step))
        raise HeadError("seen enough")

    with pytest.raises(HeadError, match="seen enough"):
        trainer.train(clouds.training_set(SIZES), None, TrainOptions(steps=Steps(note)))
    assert said == [[min(os.nice(0) + NICENESS, 19), False]]


def test_retrain__keeps_its_lease_while_a_child_trains(
    gallery: VectorStore,
    trainer: ChildTrainer,
    children: Children,
    child_runs: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is moved on however long the child takes, until the run is ended."""
    child_runs(HANGING)
    monkeypatch.setattr(lease, "RENEW_EVERY_S", 0.01)
    monkeypatch.setattr(process, "LOOK_EVERY_S", 0.01)
    ends: list[float] = []

    def noted(name: str, *, holder: str, seconds: float) -> Lease:
        taken = type(gallery).acquire_lease(gallery, name, holder=holder, seconds=seconds)
        if children:
            ends.append(taken.expires_at)
        return taken

    monkeypatch.setattr(gallery, "acquire_lease", noted)

    def enough() -> None:
        if len(ends) > 3:
            raise HeadError("seen enough")

    with pytest.raises(HeadError, match="seen enough"):
        retrain(gallery, check=enough, train=trainer.train, allocate=trainer.allocate)
    monkeypatch.undo()
    assert ends == sorted(ends)
    assert ends[-1] > ends[0]
    assert gallery.acquire_lease(NAME, holder="next", seconds=1).holder == "next"


def test_retrain__a_lost_lease_ends_the_child(
    gallery: VectorStore,
    trainer: ChildTrainer,
    children: Children,
    child_runs: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not train on for nothing, and nothing becomes active."""
    child_runs(HANGING)
    monkeypatch.setattr(lease, "RENEW_EVERY_S", 0.01)

    def lose(standing: Standing) -> None:
        if standing.step == "hanging":
            take_over(gallery)

    with pytest.raises(HeadBusy, match="took over"):
        retrain(gallery, tell=lose, train=trainer.train, allocate=trainer.allocate)
    assert len(children) == 1
    assert gallery.heads() == []


def test_child__ends_with_its_parent(clouds: Clouds) -> None:
    """A service that is killed leaves no process behind that trains for nobody."""
    program = (
        "import sys; from head import apart; from head.fit.options import TrainOptions; "
        "from head.steps import Steps; "
        "from tests.head.conftest import SIZES, Clouds\n"
        "hanging = 'import time; from head import child; from head.steps import Standing; "
        "child.train = lambda *a: (a[2].steps.pass_on(Standing(str(1), 0.5)), time.sleep(1000)); "
        "child.main()'\n"
        "apart.COMMAND = (sys.executable, '-c', hanging)\n"
        "options = TrainOptions(steps=Steps(lambda now: print(now.step, flush=True)))\n"
        "with apart.ChildTrainer() as trainer:\n"
        f"    trainer.train(Clouds({clouds.dimension}).training_set(SIZES), None, options)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert parent.stdout.readline() == b"1\n"
        parent.send_signal(signal.SIGKILL)
        # The child has this stream, too: it ends with the last of the two.
        _, said = parent.communicate(timeout=PATIENCE_S)
    assert said == b""


def test_allocate__no_room(
    clouds: Clouds, trainer: ChildTrainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A disk that is full is found out before anything is written, and said."""

    def full(_file: int, _start: int, _bytes: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskFull, match=rf"cannot be copied to {tmp_path}.*free some room"):
        trainer.train(clouds.training_set(SIZES), None, TrainOptions())


def test_allocate__a_folder_that_is_not_there(clouds: Clouds, tmp_path: Path) -> None:
    """The system's own one is taken: a gallery on a server may have no folder here."""
    with ChildTrainer(tmp_path / "nowhere") as trainer:
        rows = trainer.allocate(3, 2)
    assert rows.shape == (3, 2)
    assert not (tmp_path / "nowhere").exists()


def test_export__into_the_file_of_a_gallery_that_grows(
    store: VectorStore, clouds: Clouds, pictures: Pictures, trainer: ChildTrainer
) -> None:
    """More than was announced finds room as well, row by row what the store has."""
    store.add(clouds.references({"ant": 12, "bee": 12}, pictures))
    restless = Paged(store, writes=lambda n: clouds.references({"moth": 9}, pictures, first=9 * n))
    found, _ = export_training_set(cast("VectorStore", restless), allocate=trainer.allocate)
    assert isinstance(found.vectors, np.memmap)
    everything, _ = export_training_set(store)
    row = {mark: i for i, mark in enumerate(everything.marks)}
    same = [row[mark] for mark in found.marks]
    assert np.array_equal(found.vectors, everything.vectors[same])
    labels = np.array(everything.labels)[everything.codes[same]]
    assert np.array_equal(np.array(found.labels)[found.codes], labels)
    head = trainer.train(found, None, TrainOptions())
    assert head.labels == found.labels


def test_export__ends_between_batches(gallery: VectorStore) -> None:
    """What is called before each batch can end it: a service that stops does not wait."""

    def stop() -> NoReturn:
        raise HolotypeError("stopped")

    with pytest.raises(HolotypeError, match="stopped"):
        retrain(gallery, check=stop)
    assert gallery.heads() == []
