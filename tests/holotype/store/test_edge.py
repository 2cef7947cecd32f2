"""The embedded store's own promises: durability, interrupted creation, fork, clear errors."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holotype.errors import GalleryMissing, StoreError, StoreLocked
from holotype.fingerprint import Fingerprint
from holotype.store import lock
from holotype.store.edge import space
from holotype.store.edge.shard import Shard
from holotype.store.edge.store import EdgeStore
from holotype.store.lock import read_owner
from tests.holotype.store.worker import BATCH, open_home
from tests.references import Pictures, picture_id

ROOT = Path(__file__).parents[3]
HANG_S = 60
"""Nothing here takes seconds; a forked child that hangs is killed by the clock."""


@pytest.fixture
def home(tmp_path: Path) -> str:
    """An empty home."""
    return str(tmp_path / "home")


@pytest.fixture
def edge(home: str) -> Iterator[EdgeStore]:
    """An empty embedded gallery."""
    with open_home(home) as store:
        yield store


def _worker(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.holotype.store.worker", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)


# -- durability -------------------------------------------------------------------------


def test_add__others_have_their_turn_between_two_indexes(
    edge: EdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index takes long to make: who asks meanwhile waits for one, not for all of them."""
    begun, answered = threading.Event(), threading.Event()

    def ask() -> None:
        assert begun.wait(HANG_S)
        edge.count()
        answered.set()

    index = Shard.index

    def slow(shard: Shard, key: str, schema: Any) -> None:
        if begun.is_set():
            assert answered.wait(HANG_S), "nobody was answered between two indexes"
        index(shard, key, schema)
        begun.set()

    monkeypatch.setattr(Shard, "index", slow)
    asking = threading.Thread(target=ask)
    asking.start()
    edge.add([Pictures(edge.fingerprint.dimension).embedded("a", "x", meta={"k": "1", "l": "2"})])
    asking.join()
    assert edge.filter_keys() == ["group", "label", "meta.k", "meta.l", "source"]


def test_add__survives_kill(home: str) -> None:
    """What was reported as stored is there after kill -9, once, whenever the kill comes."""
    moment = random.Random(20261101)
    reported = 0
    for _ in range(3):
        with _worker("fill", home) as filling:
            assert filling.stdout is not None
            for _ in range(moment.randint(1, 6)):
                reported = int(filling.stdout.readline())
            filling.kill()

        with open_home(home) as store:
            ids = [picture_id(f"wasp-{n}") for n in range(reported)]
            assert len(store.existing(ids)) == reported
            listed = [i for batch in store.export(batch_size=16) for i in batch.ids]
            assert len(listed) == len(set(listed)) == store.count()
            assert store.count() % BATCH == 0  # the batch in flight is there whole or not at all


def test_open__after_a_crash_flushes_first(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed owner left in the log is brought to the disk before anybody is told of it."""
    with _worker("fill", home) as filling:
        assert filling.stdout is not None
        filling.stdout.readline()
        filling.kill()
    flushed: list[Shard] = []
    flush = Shard.flush

    def noted(shard: Shard) -> None:
        flushed.append(shard)
        flush(shard)

    monkeypatch.setattr(Shard, "flush", noted)
    open_home(home).close()
    assert len(flushed) == 2  # references and heads
    open_home(home).close()
    assert len(flushed) == 2  # an orderly close leaves nothing to do


def test_add__reported_only_when_flushed(
    edge: EdgeStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk refuses the flush, the call fails instead of reporting success."""

    def full(_: Shard) -> None:
        raise StoreError("cannot flush references in the embedded store: no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Shard, "flush", full)
        for write in (
            lambda: edge.add(pictures.many("wasp", 1)),
            lambda: edge.relabel("bee", ids=[picture_id("wasp-0")]),
            lambda: edge.remove(ids=[picture_id("wasp-0")]),
        ):
            with pytest.raises(StoreError, match="no space left"):
                write()


def test_close__refused_flush_gives_the_lock_back(
    home: str, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close that fails says so, and leaves a gallery that opens again."""
    store = open_home(home)
    with monkeypatch.context() as patch:
        patch.setattr(Shard, "flush", lambda _: (_ for _ in ()).throw(StoreError("disk is full")))
        with pytest.raises(StoreError, match="disk is full"):
            store.add(pictures.many("wasp", 1))
        with pytest.raises(StoreError, match="disk is full"):
            store.close()

    assert read_owner(Path(home), "default") is None
    open_home(home).close()


def test_lease__ends_with_the_owner(home: str) -> None:
    """One that a killed owner left behind blocks nobody: only an owner can hold one."""
    with open_home(home) as store:
        store.acquire_lease("retrain", holder="dead", seconds=3600)

    with open_home(home) as store:
        assert store.acquire_lease("retrain", holder="next", seconds=60).holder == "next"


# -- creation ---------------------------------------------------------------------------


def test_create__killed(home: str) -> None:
    """A gallery whose creation was killed does not exist, and the next creation succeeds."""
    with _worker("create", home) as creating:
        assert creating.wait(HANG_S) == -signal.SIGKILL

    with pytest.raises(GalleryMissing, match="does not exist yet"):
        EdgeStore.open(Path(home), "default", fingerprint=None, command="a test")
    with open_home(home) as store:
        assert store.count() == 0


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Shard, "create"), (Shard, "index"), (Shard, "flush"), (space, "write_json")],
)
def test_create__interrupted(
    home: str, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    """Wherever Ctrl-C hits the creation, the lock is given back and the next one succeeds."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_home(home)

    with open_home(home) as store:
        store.add(pictures.many("wasp", 1))
        assert store.count() == 1


def test_create__makes_its_home(tmp_path: Path) -> None:
    """The home and everything above it is made if need be."""
    with open_home(str(tmp_path / "some" / "where" / "new")) as store:
        assert store.count() == 0


@pytest.mark.parametrize("create", [True, False])
def test_open__unusable_home(tmp_path: Path, fingerprint: Fingerprint, create: bool) -> None:
    """A home that cannot hold galleries is named, with the setting to change."""
    (tmp_path / "home").write_text("a file")

    with pytest.raises(StoreError, match=r"cannot keep gallery 'moths' in .*HOLOTYPE_HOME"):
        EdgeStore.open(
            tmp_path / "home", "moths", fingerprint=fingerprint, command="a test", create=create
        )


def test_open__no_space_for_the_record(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while taking the lock is a clear error, and the lock is free again."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lock, "write_json", full)
        with pytest.raises(StoreError, match="No space left on device"):
            open_home(home)

    open_home(home).close()


def test_open__missing_leaves_no_trace(home: str, fingerprint: Fingerprint) -> None:
    """Looking for a gallery that is not there creates no folder."""
    with pytest.raises(GalleryMissing):
        EdgeStore.open(Path(home), "default", fingerprint=fingerprint, command="a test")

    assert not Path(home).exists()


# -- damage -----------------------------------------------------------------------------


def test_open__newer_format(home: str) -> None:
    """A gallery of a newer version is refused with the remedy, and its lock given back."""
    open_home(home).close()
    record = Path(home) / "default" / "gallery.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "format": 2}))

    with pytest.raises(StoreError, match=r"gallery.json has format 2, .* reads 1: use the version"):
        open_home(home)

    assert read_owner(Path(home), "default") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "fingerprint": {"a": 1}}'])
def test_open__damaged_record(home: str, text: str) -> None:
    """A damaged record is an error that names the file, never a new empty gallery."""
    open_home(home).close()
    (Path(home) / "default" / "gallery.json").write_text(text)

    with pytest.raises(StoreError, match=r"gallery.json is damaged .* restore it from a backup"):
        open_home(home)


@pytest.mark.parametrize("shard", ["references", "heads"])
def test_open__files_missing(home: str, fingerprint: Fingerprint, shard: str) -> None:
    """Lost engine files are a clear error, not a traceback of the engine; the lock goes back."""
    open_home(home).close()
    shutil.rmtree(Path(home) / "default" / "spaces" / fingerprint.id / shard)

    with pytest.raises(StoreError, match=f"cannot open {shard} in the embedded store: "):
        open_home(home)

    assert read_owner(Path(home), "default") is None


# -- closed, forked ---------------------------------------------------------------------


def test_closed__refuses(edge: EdgeStore, pictures: Pictures) -> None:
    """A closed store says so."""
    edge.close()

    for use in (edge.count, edge.heads, lambda: edge.add(pictures.many("wasp", 1))):
        with pytest.raises(StoreError, match="the embedded store is closed: open it again"):
            use()


def _in_child(work: Callable[[], str]) -> str:
    """What `work` answers in a forked process, which must not hang."""
    answer, child_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(HANG_S)
        os.write(child_end, work().encode())
        os._exit(0)
    os.close(child_end)
    with os.fdopen(answer, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(pid, 0)
    return text


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork__refuses_in_the_child(edge: EdgeStore, pictures: Pictures) -> None:
    """A forked child gets an error with the remedy instead of hanging; the parent goes on."""
    edge.add(pictures.many("wasp", 2))

    def use() -> str:
        try:
            edge.count()
        except StoreError as error:
            edge.close()
            return str(error)
        return "no error"

    message = _in_child(use)

    assert message.startswith(f"the embedded store was opened by process {os.getpid()} and cannot")
    assert "start workers with `spawn`" in message
    edge.add(pictures.many("bee", 1))
    assert edge.counts() == {"wasp": 2, "bee": 1}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork__child_that_lives_on(home: str) -> None:
    """Files that a forked child still holds are named as such, and open once it has ended."""
    store = open_home(home)
    waiting, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        signal.alarm(HANG_S)
        os.read(waiting, 1)
        os._exit(0)
    os.close(waiting)
    store.close()

    with pytest.raises(StoreLocked, match="still held, though nobody has the gallery"):
        open_home(home)

    os.close(go)
    os.waitpid(pid, 0)
    open_home(home).close()
