"""Hashes of unchanged files: never wrong, whatever files and clocks do."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from holotype.intake.folders import Folders
from holotype.intake.incoming import Incoming, SameBytes
from holotype.outcomes import Outcome
from holotype.references import reference_id
from ingest.known_files import database as hash_rows
from ingest.known_files.cache import RACY_NS, HashCache, open_hashes
from ingest.known_files.interface import Hashes, NoHashes
from tests.image_files import make_tree, picture
from tests.ingest.conftest import Worker

OLD_NS = 1_700_000_000_000_000_000


@dataclass
class Clock:
    """A clock that tests set; it runs an hour ahead, so that no file is too young."""

    ahead_ns: int = 3_600_000_000_000

    def __call__(self) -> int:
        return time.time_ns() + self.ahead_ns


@pytest.fixture
def clock() -> Clock:
    """Shared by the caches of a test."""
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to be hashed."""
    path = tmp_path / "a.png"
    path.write_bytes(b"first")
    return path


def looked_at(path: Path, *, looked_ns: int = 2 * OLD_NS) -> Incoming:
    """The file as the pipeline sees it, by default long after its last change."""
    return Incoming(str(path), "bee", file=str(path), status=path.stat(), looked_ns=looked_ns)


def remember(cache: Hashes, item: Incoming) -> None:
    """What reading the file leads to."""
    assert item.path is not None
    item.identify(hashlib.sha256(item.path.read_bytes()).hexdigest())
    cache.remember([item])


def recall(cache: Hashes, path: Path) -> str | None:
    """The hash that need not be computed."""
    item = looked_at(path)
    cache.look_up([item])
    return item.sha256


def test_hash_cache__an_unchanged_file_is_not_read(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash and id are known in the next run, also where the path is relative then."""
    with HashCache(tmp_path / "c.sqlite") as cache:
        remember(cache, looked_at(file))
    with HashCache(tmp_path / "c.sqlite") as cache:
        assert recall(cache, file) == hashlib.sha256(b"first").hexdigest()
        monkeypatch.chdir(tmp_path)
        assert recall(cache, Path(file.name)) is not None


def _write(file: Path) -> None:
    file.write_bytes(b"other")


def _write_and_set_the_time_back(file: Path) -> None:
    before = file.stat()
    file.write_bytes(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(file: Path) -> None:
    before = file.stat()
    file.with_name("new").write_bytes(b"other")
    os.utime(file.with_name("new"), ns=(before.st_atime_ns, before.st_mtime_ns))
    file.with_name("new").replace(file)


@pytest.mark.parametrize("change", [_write, _write_and_set_the_time_back, _replace])
def test_hash_cache__a_changed_file_is_read(tmp_path: Path, file: Path, change: object) -> None:
    """Also where size and modification time are as they were."""
    with HashCache(tmp_path / "c.sqlite") as cache:
        remember(cache, looked_at(file))
        time.sleep(0.02)  # longer than a tick of the file system's clock: not what is tested here
        assert callable(change)
        change(file)
        assert recall(cache, file) is None


def test_hash_cache__a_file_that_just_changed_is_not_remembered(tmp_path: Path, file: Path) -> None:
    """A second write in the same tick would leave no trace, so such a file is read again."""
    last = max(file.stat().st_mtime_ns, file.stat().st_ctime_ns)
    with HashCache(tmp_path / "c.sqlite") as cache:
        remember(cache, looked_at(file, looked_ns=last + RACY_NS))
        assert recall(cache, file) is None
        remember(cache, looked_at(file, looked_ns=last + RACY_NS + 1))
        assert recall(cache, file) is not None


def test_hash_cache__a_clock_that_was_set_back_empties_it(
    tmp_path: Path, file: Path, clock: Clock
) -> None:
    """Nothing is trusted across a clock step, neither at the start nor in the middle."""
    with HashCache(tmp_path / "c.sqlite", clock=clock) as cache:
        remember(cache, looked_at(file))
        clock.ahead_ns -= 60_000_000_000
        assert recall(cache, file) is None
        remember(cache, looked_at(file))
        assert recall(cache, file) is not None
    clock.ahead_ns -= 60_000_000_000
    with HashCache(tmp_path / "c.sqlite", clock=clock) as cache:
        assert recall(cache, file) is None


def test_hash_cache__a_damaged_one_is_started_anew(tmp_path: Path, file: Path) -> None:
    """Garbage in its place costs the hashes, not the run."""
    (tmp_path / "c.sqlite").write_bytes(b"no database " * 1000)
    with open_hashes(tmp_path / "c.sqlite") as cache:
        remember(cache, looked_at(file))
        assert recall(cache, file) is not None


def test_hash_cache__one_that_another_process_is_at_stays(tmp_path: Path, file: Path) -> None:
    """A database that is locked is not a damaged one: it is kept, and files are read."""
    place = tmp_path / "c.sqlite"
    with HashCache(place) as cache:
        remember(cache, looked_at(file))
    other = sqlite3.connect(place)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with patch.object(hash_rows, "_PATIENCE_S", 0.0), open_hashes(place) as cache:
        assert isinstance(cache, NoHashes)
    other.close()

    with HashCache(place) as cache:
        assert recall(cache, file) is not None


def test_hash_cache__whatever_is_damaged_it_is_never_wrong_and_heals(
    tmp_path: Path, images: Path
) -> None:
    """Bytes overwritten anywhere: no error, no wrong hash, and a run later it works again."""
    place, moments = tmp_path / "c.sqlite", random.Random(7)
    make_tree(images, {"bee": [*range(60)]})
    paths = sorted((images / "bee").iterdir())
    right = {
        str(path): reference_id(hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths
    }
    with HashCache(place) as cache:
        _settle(cache, paths)
    whole = place.read_bytes()
    for _ in range(60):
        broken = bytearray(whole)
        start = moments.randrange(len(whole))
        length = moments.choice([1, 16, 4096])
        broken[start : start + length] = moments.randbytes(len(broken[start : start + length]))
        place.write_bytes(broken[: moments.choice([len(whole), len(whole), start])])
        for _ in range(2):
            with open_hashes(place) as cache:
                found = _settle(cache, paths)
            assert all(id_ in {None, right[path]} for path, id_ in found.items())
        with open_hashes(place) as cache:
            assert _settle(cache, paths) == right


def _settle(cache: Hashes, paths: Sequence[Path]) -> dict[str, str | None]:
    """A run over these files, all in the gallery; the ids that the cache knew before."""
    cache.begin("state")
    items = [looked_at(path) for path in paths]
    cache.look_up(items)
    found = {str(item.file): item.id for item in items}
    unread = [item for item in items if item.id is None]
    for item in unread:
        remember(cache, item)
        item.same_bytes = SameBytes(label="bee")
        item.end(Outcome.ALREADY_PRESENT)
    cache.settled(unread)
    cache.end("state")
    return found


def test_hash_cache__a_place_that_cannot_be_written_is_no_error(tmp_path: Path, file: Path) -> None:
    """Where no cache can be kept, every file is read."""
    (tmp_path / "in the way").write_bytes(b"")
    with open_hashes(tmp_path / "in the way" / "c.sqlite") as cache:
        assert isinstance(cache, NoHashes)
        remember(cache, looked_at(file))
        assert recall(cache, file) is None


def test_hash_cache__errors_while_running_are_no_error(tmp_path: Path, file: Path) -> None:
    """A cache that breaks under a run forgets; the run goes on."""
    with HashCache(tmp_path / "c.sqlite") as cache:
        cache._rows.execute("DROP TABLE files")
        remember(cache, looked_at(file))
        assert recall(cache, file) is None


class Settled(HashCache):
    """For pictures that were made a moment ago, as if they were old; counts what it saves."""

    hits = 0
    trusted = 0

    def look_up(self, items: Sequence[Incoming]) -> None:
        super().look_up(items)
        self.hits += sum(item.id is not None for item in items)
        self.trusted += sum(item.verdict is not None for item in items)

    def remember(self, items: Sequence[Incoming]) -> None:
        for item in items:
            item.looked_ns = 2 * OLD_NS
        super().remember(items)


def test_add__reads_an_unchanged_folder_once(
    worker: Worker, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run opens no file, and its answers are the same as without a cache."""
    make_tree(images, {"bee": [*range(100)], "wasp": [5, 200]})
    (images / "bee" / "x.png").write_bytes(b"no picture")
    with Settled(tmp_path / "c.sqlite") as hashes:
        worker.add(Folders([images]), hashes=hashes)
        run = worker.add(Folders([images]), hashes=hashes)
        assert hashes.hits == 103
        assert run.outcomes == worker.add(Folders([images])).outcomes
        assert run.outcomes.count(Outcome.ALREADY_PRESENT) == 101


def test_add__a_cached_picture_that_was_removed_is_read_and_added(
    worker: Worker, images: Path, tmp_path: Path
) -> None:
    """The gallery decides what is new, never the cache."""
    make_tree(images, {"bee": [1, 2]})
    with Settled(tmp_path / "c.sqlite") as hashes:
        run = worker.add(Folders([images]), hashes=hashes)
        worker.store.remove(ids=[run.said[0].id or ""])
        run = worker.add(Folders([images]), hashes=hashes)
    assert run.outcomes == [Outcome.ADDED, Outcome.ALREADY_PRESENT]
    assert worker.store.count() == 2


def test_add__a_wrong_hash_is_noticed_before_anything_is_embedded(
    worker: Worker, images: Path, tmp_path: Path
) -> None:
    """Should a cached hash ever be wrong, the file fails, is forgotten, and is right next time."""
    make_tree(images, {"bee": [1]})
    file = images / "bee" / "00001.png"
    with HashCache(tmp_path / "c.sqlite") as cache:
        wrong = looked_at(file)
        wrong.identify(hashlib.sha256(picture(2)).hexdigest())
        cache.remember([wrong])
        run = worker.add(Folders([images]), hashes=cache)
        assert run.outcomes == [Outcome.FAILED]
        assert run.said[0].reason == "it changed while it was being added: add it again"
        assert worker.encoder.calls == 0
        assert worker.add(Folders([images]), hashes=cache).outcomes == [Outcome.ADDED]


def test_add__new_pictures_behind_many_known_ones(worker: Worker, images: Path) -> None:
    """Where bytes were not kept because nothing new was expected, they are read again."""
    make_tree(images, {"bee": [*range(400)]})
    worker.add(Folders([images]))
    make_tree(images, {"wasp": [*range(1000, 1100)]})
    run = worker.add(Folders([images]))
    assert run.outcomes == [Outcome.ALREADY_PRESENT] * 400 + [Outcome.ADDED] * 100
    assert worker.store.counts() == {"bee": 400, "wasp": 100}
