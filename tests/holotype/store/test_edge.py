"""The embedded store's own promises: durability, interrupted creation, fork, clear errors."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from holotype.errors import GalleryMissing, StoreError, StoreLocked
from holotype.fingerprint import Fingerprint
from holotype.store import lock
from holotype.store.edge import shard, space
from holotype.store.edge.idle_flush import QuietFlush
from holotype.store.edge.shard import Shard
from holotype.store.edge.store import EdgeStore
from holotype.store.edge.write_ahead_log import Log
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


def test_add__where_the_system_has_fewer_calls(
    home: str, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that syncs whole files only, and sets no room aside, keeps writes all the same."""
    for missing in ("fdatasync", "posix_fallocate"):
        monkeypatch.delattr(os, missing)
    with open_home(home) as store:
        store.add(pictures.many("wasp", 3))
    with open_home(home) as store:
        assert store.counts() == {"wasp": 3}


def test_open__after_a_crash_syncs_first(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed owner left in the log is brought to the disk before anybody is told of it."""
    with _worker("fill", home) as filling:
        assert filling.stdout is not None
        filling.stdout.readline()
        filling.kill()
    synced: list[Log] = []
    sync = Log.sync

    def noted(log: Log) -> bool:
        synced.append(log)
        return sync(log)

    monkeypatch.setattr(Log, "sync", noted)
    open_home(home).close()
    assert len(synced) == 2  # references and heads
    open_home(home).close()
    assert len(synced) == 2  # an orderly close leaves nothing to do


def test_add__reported_only_when_durable(
    edge: EdgeStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk refuses the log, the call fails instead of reporting success."""

    def broken(_: Log) -> bool:
        raise OSError(5, "Input/output error")

    edge.add(pictures.many("wasp", 1))
    with monkeypatch.context() as patch:
        patch.setattr(Log, "sync", broken)
        for write in (
            lambda: edge.add(pictures.many("bee", 1)),
            lambda: edge.relabel("bee", ids=[picture_id("wasp-0")]),
            lambda: edge.remove(ids=[picture_id("wasp-0")]),
        ):
            with pytest.raises(StoreError, match=r"cannot be brought to the disk \(.*Input/output"):
                write()


def test_add__answers_go_on_while_it_becomes_durable(
    edge: EdgeStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query is answered while a write waits for the disk, and finds what is being written."""
    edge.add(pictures.many("wasp", 2))
    syncing, go_on = threading.Event(), threading.Event()
    sync = Log.sync

    def slow(log: Log) -> bool:
        syncing.set()
        assert go_on.wait(HANG_S)
        return sync(log)

    monkeypatch.setattr(Log, "sync", slow)
    with ThreadPoolExecutor(1) as threads:
        adding = threads.submit(edge.add, pictures.many("bee", 1))
        assert syncing.wait(HANG_S)
        (found,) = edge.neighbours(pictures.many("bee", 1)[0].vector[None], k=1)
        assert not adding.done()
        go_on.set()
        adding.result(HANG_S)
    assert [neighbour.label for neighbour in found] == ["bee"]


def test_add__flushes_where_the_log_looks_otherwise(
    edge: EdgeStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log with files that are not known is left to the engine, which flushes at every write."""
    flushed: list[Shard] = []
    flush = Shard.flush
    monkeypatch.setattr(Shard, "flush", lambda shard: (flushed.append(shard), flush(shard)))
    edge.add(pictures.many("wasp", 1))
    assert not flushed
    (edge._space.references.folder / "wal" / "segment-1.log").touch()

    edge.add(pictures.many("bee", 1))

    assert flushed == [edge._space.references]
    (edge._space.references.folder / "wal" / "segment-1.log").unlink()


def test_add__flushes_when_the_log_has_grown(
    edge: EdgeStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long log is flushed by the write that made it long, so that it never grows for ever."""
    edge.add(pictures.many("wasp", 3))
    assert edge._space.references.unflushed
    monkeypatch.setattr(shard, "LOG_BYTES", -1)

    edge.add(pictures.many("bee", 3))

    assert not edge._space.references.unflushed


def test_add__flushed_in_a_quiet_moment(edge: EdgeStore, pictures: Pictures) -> None:
    """When nobody asks for anything, what is in the log is brought to its place."""
    references = edge._space.references
    edge.add(pictures.many("wasp", 1))
    assert references.unflushed
    flushed = threading.Event()
    flush = references.flush

    def noted() -> None:
        flush()
        flushed.set()

    references.flush = noted  # type: ignore[method-assign]
    quiet = QuietFlush(references, quiet_s=0)
    assert flushed.wait(HANG_S)
    quiet.stop()
    assert not references.unflushed


def test_close__refused_flush_gives_the_lock_back(
    home: str, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close that fails says so, and leaves a gallery that opens again with all it held."""
    store = open_home(home)
    store.add(pictures.many("wasp", 1))
    with monkeypatch.context() as patch:
        patch.setattr(Shard, "flush", lambda _: (_ for _ in ()).throw(StoreError("it is broken")))
        with pytest.raises(StoreError, match="it is broken"):
            store.close()

    assert read_owner(Path(home), "default") is None
    with open_home(home) as store:
        assert store.count() == 1


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


@pytest.mark.parametrize("refusal", [errno.EACCES, errno.EROFS])
def test_open__gallery_that_may_only_be_read(
    home: str, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    """Asking takes writing as well: another empty folder would not help, so it is not advised."""
    open_home(home).close()

    def refuse(*_: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(lock.os, "open", refuse)
    with pytest.raises(StoreError, match=r"writes where it reads\. Ask through a service.*or copy"):
        open_home(home)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_open__owner_cannot_be_written(
    home: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Without space for the owner's name it is used all the same; else that is an error."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    open_home(home).close()
    with monkeypatch.context() as patch:
        patch.setattr(lock, "write_json", refused)
        if number == errno.ENOSPC:
            with open_home(home), pytest.raises(StoreLocked, match="in use by another process"):
                open_home(home)
        else:
            with pytest.raises(StoreError, match="Permission denied"):
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


@pytest.mark.parametrize("name", ["references", "heads"])
def test_open__files_missing(home: str, fingerprint: Fingerprint, name: str) -> None:
    """Lost engine files are a clear error, not a traceback of the engine; the lock goes back."""
    open_home(home).close()
    shutil.rmtree(Path(home) / "default" / "spaces" / fingerprint.id / name)

    with pytest.raises(StoreError, match=f"files of the {name} are damaged .*is missing"):
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
