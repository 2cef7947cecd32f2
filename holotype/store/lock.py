"""One owner process at a time on an embedded gallery.

The lock is `flock` on `HOME/<gallery>/owner.lock`, taken before the engine is touched: a
second process that gets as far as the engine's own lock is refused there too, but breaks
the owner's next flush. The folder itself is locked as well, where its file system can, so that
an `owner.lock` that somebody deletes lets nobody in. Beside it lies `owner.json`, which says who
the owner is. The lock decides, never the record: a record that a dead process left behind means
nothing.

`flock` is local to a machine on some network file systems (NFS before Linux 2.6.12, or
mounted with `local_lock`), so an embedded gallery belongs on a local disk; machines that
share one use a Qdrant server.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

from holotype.errors import StoreLocked
from holotype.store.files import read_json, write_json
from holotype.store.owner import Owner

LOCK_FILE, OWNER_FILE = "owner.lock", "owner.json"

_TRIES, _PAUSE_S = 5, 0.02
"""A `read_owner` elsewhere holds the lock for microseconds: that must not look like an owner."""


class OwnerLock:
    """Ownership of one gallery folder, from `acquire` to `release`."""

    def __init__(self, folder: Path, descriptors: list[int], owner: Owner) -> None:
        self.owner = owner
        self._folder = folder
        self._descriptors = descriptors

    @classmethod
    def acquire(cls, folder: Path, *, command: str, url: str | None = None) -> OwnerLock:
        """Own `folder` (which exists), or say at once who does.

        Args:
            folder: `HOME/<gallery>`.
            command: what this process is doing, for people.
            url: where this process serves, if it is a service.

        Raises:
            StoreLocked: another process, or another store in this one, owns it.
        """
        descriptors = _lock(folder)
        owner = Owner(
            pid=os.getpid(),
            host=socket.gethostname(),
            command=command,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            url=url,
        )
        try:
            write_json(folder / OWNER_FILE, owner.to_dict())
        except OSError as error:
            if error.errno != errno.ENOSPC:  # on a full disk it is owned without a name
                _close(descriptors)
                raise
        return cls(folder, descriptors, owner)

    def release(self) -> None:
        """Give the folder back; twice is fine. A forked child lets go, and its parent owns on."""
        if self._descriptors and os.getpid() == self.owner.pid:
            (self._folder / OWNER_FILE).unlink(missing_ok=True)
            # Closing alone would leave the lock with a forked child that inherited it.
            for descriptor in self._descriptors:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        _close(self._descriptors)


def read_owner(home: Path, gallery: str) -> Owner | None:
    """Who owns the embedded gallery at this moment; None where nobody does.

    For finding a running service: it never waits and changes nothing.
    """
    folder = home / gallery
    record = _read_record(folder)
    if record is None:
        return None
    held = any(_is_held(path) for path in (folder / LOCK_FILE, folder))
    return record if held else None  # nobody holds it: the record is a dead process's


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # it is not there, or not for us: opening the gallery says which
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system that locks no folders: nobody can hold it
    finally:
        os.close(descriptor)
    return False


def _lock(folder: Path) -> list[int]:
    """Descriptors that hold the lock.

    Raises:
        StoreLocked: another owner holds it.
    """
    # Opened close-on-exec (PEP 446): programs that the owner starts do not inherit them.
    descriptors = [os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)]
    descriptors.append(os.open(folder, os.O_RDONLY))
    if not all(_try_exclusive(descriptor) for descriptor in descriptors):
        _close(descriptors)
        owner = _read_record(folder)
        raise StoreLocked(_locked_message(folder, owner), owner)
    return descriptors


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def _try_exclusive(descriptor: int) -> bool:
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise
            return True  # a file system that locks no folders: the file must do
        return True
    return False


def _read_record(folder: Path) -> Owner | None:
    try:
        data = read_json(folder / OWNER_FILE)
        return Owner.from_dict(data) if data is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # unreadable: it names nobody, and the lock decides anyway


def _locked_message(folder: Path, owner: Owner | None) -> str:
    if owner is None:
        return (
            f"gallery {folder.name!r} ({folder}) is in use by another process: "
            "wait until it ends, or stop it"
        )
    who = (
        f"gallery {folder.name!r} ({folder}) is in use by `{owner.command}` "
        f"(process {owner.pid} on {owner.host}, since {owner.since})"
    )
    if owner.url is not None:
        return f"{who}, which serves at {owner.url}: use --server {owner.url}, or stop it"
    return f"{who}: wait until it ends, or stop it"
