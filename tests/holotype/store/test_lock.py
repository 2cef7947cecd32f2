"""One owner at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holotype.errors import StoreLocked
from holotype.store import lock
from holotype.store.lock import LOCK_FILE, OWNER_FILE, OwnerLock, read_owner
from holotype.store.owner import Owner
from tests.holotype.store.worker import open_home
from tests.references import Pictures

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a gallery called `moths`."""
    made = tmp_path / "moths"
    made.mkdir()
    return made


@contextmanager
def holding(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the default gallery of `home`."""
    command = [sys.executable, "-m", "tests.holotype.store.worker", "hold", str(home)]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def test_acquire__leaves_a_record(folder: Path) -> None:
    """While it is owned, a gallery says by whom, since when and where it serves."""
    owned = OwnerLock.acquire(folder, command="classify serve", url="http://127.0.0.1:8000")

    owner = read_owner(folder.parent, "moths")

    assert owner == owned.owner
    assert owner is not None
    assert (owner.pid, owner.host) == (os.getpid(), socket.gethostname())
    assert (owner.command, owner.url) == ("classify serve", "http://127.0.0.1:8000")
    owned.release()


def test_release__nobody_owns(folder: Path) -> None:
    """After release nobody owns it, the next owner comes in, and releasing again is fine."""
    owned = OwnerLock.acquire(folder, command="ingest add")

    owned.release()
    owned.release()

    assert read_owner(folder.parent, "moths") is None
    OwnerLock.acquire(folder, command="ingest add").release()


def test_acquire__taken(folder: Path) -> None:
    """A second owner is turned away at once, told who the first is and what to do."""
    first = OwnerLock.acquire(folder, command="ingest add")

    with pytest.raises(StoreLocked) as refused:
        OwnerLock.acquire(folder, command="retrain")

    assert refused.value.owner == first.owner
    assert str(refused.value) == (
        f"gallery 'moths' ({folder}) is in use by `ingest add` (process {os.getpid()} on "
        f"{socket.gethostname()}, since {first.owner.since}): wait until it ends, or stop it"
    )
    first.release()


def test_acquire__taken_by_a_service(folder: Path) -> None:
    """Where the owner serves, the message says how to talk to it."""
    first = OwnerLock.acquire(folder, command="classify serve", url="http://127.0.0.1:8000")

    with pytest.raises(StoreLocked, match=r"use --server http://127\.0\.0\.1:8000, or"):
        OwnerLock.acquire(folder, command="retrain")

    first.release()


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"pid": "x"}', "{"])
def test_acquire__taken_by_nobody_known(folder: Path, record: str) -> None:
    """A lock without a readable record still turns away, without naming anybody."""
    first = OwnerLock.acquire(folder, command="ingest add")
    (folder / OWNER_FILE).write_text(record)

    with pytest.raises(StoreLocked, match="in use by another process: wait until") as refused:
        OwnerLock.acquire(folder, command="retrain")

    assert refused.value.owner is None
    assert read_owner(folder.parent, "moths") is None
    first.release()


def test_read_owner__no_gallery(tmp_path: Path) -> None:
    """Asking who owns a gallery that is not there creates nothing."""
    assert read_owner(tmp_path / "home", "moths") is None
    assert list(tmp_path.iterdir()) == []


def test_read_owner__home_that_is_no_folder(tmp_path: Path) -> None:
    """Nobody owns what is not there; opening it says what is wrong."""
    (tmp_path / "home").write_bytes(b"x")
    assert read_owner(tmp_path / "home", "moths") is None


def test_read_owner__record_without_lock(folder: Path) -> None:
    """A record without a lock names nobody."""
    owned = OwnerLock.acquire(folder, command="ingest add")
    record = (folder / OWNER_FILE).read_text()
    owned.release()
    (folder / OWNER_FILE).write_text(record)
    (folder / LOCK_FILE).unlink()

    assert read_owner(folder.parent, "moths") is None


def test_acquire__lock_file_deleted_under_its_owner(folder: Path) -> None:
    """The owner is still found and named, and nobody else comes in; afterwards all is as ever."""
    owned = OwnerLock.acquire(folder, command="classify serve", url="http://127.0.0.1:8000")
    (folder / LOCK_FILE).unlink()

    assert read_owner(folder.parent, "moths") == owned.owner
    for _ in range(2):  # the first one makes the file again
        with pytest.raises(StoreLocked, match=r"in use by `classify serve`.*use --server"):
            OwnerLock.acquire(folder, command="retrain")
    owned.release()
    OwnerLock.acquire(folder, command="retrain").release()


def test_acquire__file_system_that_locks_no_folders(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the lock file alone keeps others out."""
    flock = fcntl.flock

    def files_only(descriptor: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(lock.fcntl, "flock", files_only)
    owned = OwnerLock.acquire(folder, command="ingest add")

    assert read_owner(folder.parent, "moths") == owned.owner
    with pytest.raises(StoreLocked, match="in use by `ingest add`"):
        OwnerLock.acquire(folder, command="retrain")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_release__in_a_forked_child(folder: Path) -> None:
    """A child that lets go of what it inherited takes nothing from its parent."""
    owned = OwnerLock.acquire(folder, command="classify serve")
    child = os.fork()
    if child == 0:
        owned.release()
        os._exit(0)
    os.waitpid(child, 0)

    assert read_owner(folder.parent, "moths") == owned.owner
    with pytest.raises(StoreLocked, match="in use by `classify serve`"):
        OwnerLock.acquire(folder, command="retrain")
    owned.release()
    assert read_owner(folder.parent, "moths") is None


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_release__while_a_forked_child_lives(folder: Path) -> None:
    """What a child inherited keeps nobody out once its parent has given the gallery back."""
    owned = OwnerLock.acquire(folder, command="classify serve")
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(told, 1)
        os._exit(0)
    owned.release()

    OwnerLock.acquire(folder, command="retrain").release()
    os.write(tell, b".")
    os.waitpid(child, 0)
    os.close(told)
    os.close(tell)


def test_acquire__while_somebody_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that only looks who owns the gallery is not taken for an owner."""
    looking = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    pauses = []

    def look_away(seconds: float) -> None:
        pauses.append(seconds)
        fcntl.flock(looking, fcntl.LOCK_UN)

    monkeypatch.setattr(lock.time, "sleep", look_away)

    OwnerLock.acquire(folder, command="ingest add").release()

    assert len(pauses) == 1
    os.close(looking)


def test_owner__unknown_facts_ignored() -> None:
    """A record of a newer version, with facts unknown here, still names its owner."""
    owner = Owner(pid=7, host="h", command="retrain", since="2026-11-01T12:00:00+00:00")

    assert Owner.from_dict({**owner.to_dict(), "colour": "red"}) == owner


def test_open__owned_by_another_process(tmp_path: Path) -> None:
    """A gallery that another process has open is refused by name of that process."""
    with holding(tmp_path) as other:
        with pytest.raises(StoreLocked) as refused:
            open_home(str(tmp_path))
        owner = read_owner(tmp_path, "default")
        other.communicate()  # ends its input, so it closes

    assert f"in use by `worker of a test` (process {other.pid} on " in str(refused.value)
    assert owner is not None
    assert owner.pid == other.pid
    assert other.returncode == 0
    open_home(str(tmp_path)).close()


def test_open__owner_was_killed(tmp_path: Path) -> None:
    """The record of a killed owner is stale: nobody owns the gallery, and it opens."""
    with holding(tmp_path) as other:
        other.kill()
        other.wait()

    assert (tmp_path / "default" / OWNER_FILE).exists()
    assert read_owner(tmp_path, "default") is None
    with open_home(str(tmp_path)) as store:
        assert store.owner.pid == os.getpid()


def test_open__refusal_leaves_the_owner_unharmed(tmp_path: Path) -> None:
    """The owner goes on writing after others were turned away, and all of it is kept."""
    with open_home(str(tmp_path)) as store:
        pictures = Pictures(store.fingerprint.dimension)
        store.add(pictures.many("wasp", 2))
        command = [sys.executable, "-m", "tests.holotype.store.worker", "hold", str(tmp_path)]
        other = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
        store.add(pictures.many("bee", 3))

    assert "StoreLocked" in other.stderr
    with open_home(str(tmp_path)) as store:
        assert store.counts() == {"bee": 3, "wasp": 2}
