"""A full disk: writes are refused before the engine meets it, reading and removing go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from holotype.errors import DiskFull
from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.store.edge import disk_space
from holotype.store.edge.store import EdgeStore
from holotype.store.edge.write_ahead_log import AHEAD, LOW, Log
from tests.holotype.store.worker import open_home
from tests.references import Pictures, picture_id

DISK_MB = 96


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, as small as a gallery's first files allow."""
    image, mount = tmp_path / "image", tmp_path / "disk"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MB << 20)
    if shutil.which("mkfs.ext4") is None or os.geteuid() != 0:
        pytest.skip("a file system of its own takes mkfs.ext4 and the rights to mount it")
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", str(image), str(mount)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def _fill(disk: Path) -> None:
    """Leave not a single byte."""
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            block = bytes(size)
            try:
                while file.write(block) == size:
                    pass
            except OSError:
                continue


def _command(disk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ingest", *arguments, "--home", str(disk)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_full__commands_that_read_and_remove_go_on(
    disk: Path, pictures: Pictures, fingerprint: Fingerprint
) -> None:
    """On a disk without a free byte: classes, list and remove; what writes says what to do."""
    with EdgeStore.open(
        disk,
        "default",
        fingerprint=fingerprint,
        command="a test",
        create=True,
        keep_free=0,
    ) as store:
        store.add(pictures.many("wasp", 300))
        store.add(pictures.many("bee", 3))
    _fill(disk)

    assert _command(disk, "classes").stdout == "300  wasp\n  3  bee\n"
    refused = _command(disk, "relabel", "--from", "bee", "--to", "moth")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: the disk of {disk / 'default'} is full: ")
    assert "ingest remove" in refused.stderr
    removed = _command(disk, "remove", "--label", "wasp", "--yes")
    assert removed.returncode == 0
    assert removed.stderr == (
        "the disk is full: what is removed is not kept, and cannot be undone\n"
        "removed: 300 references\n"
    )
    assert _command(disk, "classes").stdout == "3  bee\n"
    assert len(_command(disk, "list").stdout.splitlines()) == 3
    assert _command(disk, "verify").returncode == 0


def test_full__open_store_answers_and_removes(
    disk: Path, pictures: Pictures, fingerprint: Fingerprint
) -> None:
    """A disk that fills under an open gallery, as a service has it, ends nothing."""
    names = [f"wasp-{n}" for n in range(2000)]
    with EdgeStore.open(
        disk,
        "default",
        fingerprint=fingerprint,
        command="a test",
        create=True,
        keep_free=1 << 20,
    ) as store:
        store.add(pictures.many("wasp", 2000))
        _fill(disk)
        with pytest.raises(DiskFull, match="0 MB are free, of which 1 MB are kept"):
            store.add(pictures.many("bee", 2000))
        with pytest.raises(DiskFull, match="Nothing was written"):
            store.relabel("bee", ids=[picture_id("wasp-0")])
        for start in range(0, 1000, 50):
            assert store.remove(ids=[picture_id(n) for n in names[start : start + 50]]) == 50
        (found,) = store.neighbours(pictures.many("wasp", 1, first=1500)[0].vector[None], k=1)
        assert found[0].id == picture_id("wasp-1500")
        assert store.count() == 1000
    (disk / "filler").unlink()
    with open_home(str(disk)) as store:
        assert store.counts() == {"wasp": 1000}


def test_room__is_asked_before_every_write_that_takes_some(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adding, correcting, saving and promoting are refused; removing is not."""
    rows = np.ones((3, pictures.dimension + 1), dtype=np.float32)
    record = HeadRecord("v1", "2026-11-01T12:00:00+00:00", "ready", ("wasp",))
    with open_home(str(tmp_path)) as store:
        store.add(pictures.many("wasp", 2))
        store.save_head(StoredHead(record, {"linear": rows}))
        monkeypatch.setattr(disk_space, "free_bytes", lambda _: 255 << 20)
        for write in (
            lambda: store.add(pictures.many("bee", 1)),
            lambda: store.relabel("bee", ids=[picture_id("wasp-0")]),
            lambda: store.save_head(StoredHead(record, {"linear": rows})),
            lambda: store.set_active_head(ActiveHead("v1", ())),
        ):
            with pytest.raises(DiskFull, match="255 MB are free, of which 256 MB are kept"):
                write()
        store.remove_head("v1")
        assert store.remove(ids=[picture_id("wasp-0")]) == 1
        assert store.counts() == {"wasp": 1}
    with pytest.raises(DiskFull, match="HOLOTYPE_MIN_FREE_MB"):
        open_home(str(tmp_path / "another"))


def test_room__not_even_for_the_log(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the log's own reserve is used up, a removal is refused instead of ending it all."""
    with open_home(str(tmp_path)) as store:
        store.add(pictures.many("wasp", 2))
        monkeypatch.setattr(Log, "make_room", lambda _: False)
        with pytest.raises(DiskFull, match=r"nothing was removed\. Free some space"):
            store.remove(ids=[picture_id("wasp-0")])
        assert store.count() == 2


def test_log__room_is_kept_ahead(tmp_path: Path) -> None:
    """Behind the log's end there is always room, and never more than what is kept."""
    segment = tmp_path / "open-1"
    with segment.open("wb") as file:
        file.truncate(8 * AHEAD)
    log = Log(tmp_path)
    for written in range(0, 3 * AHEAD, LOW // 2):
        assert log.make_room()
        with segment.open("r+b") as file:
            file.seek(written)
            file.write(b"\1" * (LOW // 2))
        assert segment.stat().st_blocks * 512 <= written + 2 * AHEAD
        assert log.size() >= written + LOW // 2
    log.close()
