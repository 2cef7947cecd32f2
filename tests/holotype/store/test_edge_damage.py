"""Damaged files of an embedded gallery: noticed, named, and mended as far as that goes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_edge import UpdateOperation

from holotype.errors import StoreDamaged, StoreError, StoreLocked
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.settings import Settings
from holotype.store.edge import engine_panics
from holotype.store.edge.store import EdgeStore
from holotype.store.factory import restore_store, verify_store
from holotype.store.port import Verification
from tests.holotype.store.worker import open_home
from tests.references import Pictures, picture_id

MAPPINGS = "mutable_id_tracker.mappings"
REMEDY = r"restore a backup \(`ingest restore`\), or run `ingest verify --repair`"


@pytest.fixture
def home(tmp_path: Path, pictures: Pictures) -> Path:
    """A closed gallery of 36 wasps, of which 4 were removed, and two heads."""
    with open_home(str(tmp_path / "home")) as store:
        store.add(pictures.many("wasp", 40))
        store.remove(ids=[picture_id(f"wasp-{n}") for n in range(4)])
        for version in ("v1", "v2"):
            _save_head(store, version)
        store.set_active_head(ActiveHead("v2", ("v1",)))
    return tmp_path / "home"


def _save_head(store: EdgeStore, version: str) -> None:
    rows = np.ones((3, store.fingerprint.dimension + 1), dtype=np.float32)
    record = HeadRecord(version, "2026-11-01T12:00:00+00:00", "ready", ("wasp",))
    store.save_head(StoredHead(record, {"linear": rows}))


def _file(home: Path, shard: str, name: str) -> Path:
    (found,) = home.glob(f"default/spaces/*/{shard}/segments/*/{name}")
    return found


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _verify(home: Path, *, repair: bool = False) -> Verification:
    settings = Settings.load(home=home)
    return verify_store(settings, repair=repair, command="ingest verify")


def _copy_of_a_killed_owner(home: Path, change: Callable[[EdgeStore], object]) -> None:
    """Leave in `home` what is there after `change`, when the owner is killed."""
    killed = home.with_name("killed")
    with open_home(str(home)) as store:
        change(store)
        # Most of an engine's files are holes, which shutil would fill.
        subprocess.run(["cp", "-a", "--sparse=always", str(home), str(killed)], check=True)
    shutil.rmtree(home)
    killed.rename(home)


# -- noticed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", ["references", "heads"])
def test_open__mappings_cut_short(home: Path, shard: str) -> None:
    """The engine would open such a gallery with fewer references, or without its active head."""
    _cut(_file(home, shard, MAPPINGS))

    with pytest.raises(StoreDamaged, match=rf"{shard}.*{MAPPINGS} has \d+ bytes .*{REMEDY}"):
        open_home(str(home))


@pytest.mark.parametrize("shard", ["references", "heads"])
def test_open__mappings_cut_short_after_a_crash(home: Path, shard: str) -> None:
    """After a crash files may have changed, but never may there be fewer points."""
    _copy_of_a_killed_owner(home, EdgeStore.heads)
    _cut(_file(home, shard, MAPPINGS))

    with pytest.raises(StoreDamaged, match=rf"of \d+ stored .*{shard} \d+ are whole: {REMEDY}"):
        open_home(str(home))


def test_open__one_bit_changed(home: Path) -> None:
    """A file of the same size with one other bit is noticed as well."""
    path = _file(home, "references", "vector_storage/vectors/chunk_0.mmap")
    with path.open("r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))

    with pytest.raises(StoreDamaged, match=r"chunk_0.mmap has changed"):
        open_home(str(home))


@pytest.mark.parametrize("record", ["references.ledger", "references.files"])
@pytest.mark.parametrize("text", ["", "{", '{"points": 1, "sealed": true, "check": 1}'])
def test_open__damaged_ledger(home: Path, record: str, text: str) -> None:
    """The record of what must be there is checked itself."""
    (path,) = home.glob(f"default/spaces/*/{record}")
    path.write_text(text)

    with pytest.raises(StoreDamaged, match=rf"{record} cannot be read: {REMEDY}"):
        open_home(str(home))

    assert _verify(home, repair=True).mended
    with open_home(str(home)) as store:
        assert store.count() == 36


def test_open__record_of_another_space(home: Path) -> None:
    """A record that was changed and can still be read leads nowhere: opening and repair say so."""
    record = home / "default" / "gallery.json"
    data = json.loads(record.read_text())
    data["fingerprint"]["image_size"] += 1
    record.write_text(json.dumps(data))
    named = r"gallery\.json speaks of \w+, which is not in .*spaces.*`ingest restore --replace`"
    with pytest.raises(StoreDamaged, match=named):
        open_home(str(home))
    with pytest.raises(StoreDamaged, match=named):
        _verify(home, repair=True)


def test_open__killed_owner_is_no_damage(home: Path, pictures: Pictures) -> None:
    """Kills between a write and its flush leave nothing to complain of."""

    def change(store: EdgeStore) -> None:
        store.add(pictures.many("bee", 5))
        store.remove(ids=[picture_id("wasp-9")])
        store.remove_head("v1")

    _copy_of_a_killed_owner(home, change)

    assert _verify(home) == Verification(references=40, heads=1, damages=[])
    with open_home(str(home)) as store:
        assert store.counts() == {"wasp": 35, "bee": 5}


def test_open__gallery_without_a_ledger(home: Path) -> None:
    """A gallery of an older version opens as it is, and has a ledger from then on."""
    for path in home.glob("default/spaces/*/*.*"):
        path.unlink()

    open_home(str(home)).close()

    assert len([*home.glob("default/spaces/*/*.ledger")]) == 2


def test_panic__is_an_error_with_the_remedy(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What ends the engine unexpectedly is one of our errors, and prints nothing."""
    _copy_of_a_killed_owner(home, EdgeStore.heads)
    _file(home, "references", "payload_storage/gaps.dat").write_bytes(b"\xff" * 192)
    _file(home, "references", "vector_storage/deleted/status.dat").write_bytes(b"")

    with pytest.raises(StoreDamaged, match=f"cannot open references .*{REMEDY}"):
        open_home(str(home))

    assert "panicked" not in capfd.readouterr().err


def test_unprinted__keeps_what_others_say(capfd: pytest.CaptureFixture[str]) -> None:
    """What is no panic reaches standard error all the same."""
    with engine_panics.unprinted():
        os.write(2, b"a word\n")

    assert capfd.readouterr().err == "a word\n"


# -- verified ----------------------------------------------------------------------------------


def test_verify__whole(home: Path) -> None:
    """Everything is counted where nothing is wrong, open or closed."""
    whole = Verification(references=36, heads=2, damages=[])
    assert _verify(home) == whole
    with open_home(str(home)) as store:
        assert store.verify() == whole
        with pytest.raises(StoreLocked, match="is in use by"):
            _verify(home)


def test_verify__broken_reference(home: Path) -> None:
    """A vector that is not of unit length, and an id of another picture, are found and removed."""
    with open_home(str(home)) as store:
        shard = store._space.references
        moved = UpdateOperation.set_payload([picture_id("wasp-5")], {"sha256": "0" * 64})
        shard.update(moved)
        lost = UpdateOperation.delete_vectors([picture_id("wasp-6")], [""])
        shard.update(lost)

        found = store.verify()
        mended = store.verify(repair=True)

        assert {d.item: d.problem.split(" of the")[0] for d in found.damages} == {
            picture_id("wasp-5"): "its id is not the one",
            picture_id("wasp-6"): "its vector has shape (0,), the gallery's have (16,)",
        }
        assert (found.references, found.mended) == (34, False)
        assert [d.mended for d in mended.damages] == ["it was removed: add its picture again"] * 2
        assert store.verify() == Verification(references=34, heads=2, damages=[])
        assert store.counts() == {"wasp": 34}


def test_verify__torn_active_head(home: Path) -> None:
    """A head that lacks rows is removed, and the one before it is active again."""
    with open_home(str(home)) as store:
        row = next(i for i, kind in _heads(store) if kind == "row v2")
        store._space.heads.update(UpdateOperation.delete_points([row]))

        found = store.verify()
        mended = store.verify(repair=True)

        assert [d.item for d in found.damages] == ["v2", "the active head"]
        assert "was not stored completely" in found.damages[0].problem
        assert [d.mended for d in mended.damages] == [
            "it was removed: run `retrain`",
            "'v1' is active now",
        ]
        assert store.active_head() == ActiveHead("v1", ())
        assert store.verify().damages == []


def _heads(store: EdgeStore) -> list[tuple[str, str]]:
    from qdrant_edge import ScrollRequest

    records, _ = store._space.heads.scroll(ScrollRequest(limit=100, with_payload=True))
    kinds = [r.payload or {} for r in records]
    return [
        (str(r.id), f"{p['kind']} {p.get('version')}") for r, p in zip(records, kinds, strict=True)
    ]


# -- repaired ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [MAPPINGS, "mutable_id_tracker.versions", "payload_index/config.json", "segment.json",
     "payload_storage/gaps.dat", "vector_storage/vectors/status.dat",
     "vector_storage/deleted/flags_a.dat"],
)  # fmt: skip
@pytest.mark.parametrize("shard", ["references", "heads"])
def test_repair__loses_nothing_that_follows_from_the_rest(
    home: Path, shard: str, name: str
) -> None:
    """Where a reference lies, indexes and descriptions are had back: all of it is kept."""
    path = _file(home, shard, name)
    _cut(path)
    found = _verify(home)
    mended = _verify(home, repair=True)

    assert any(d.item.endswith(name) and "bytes instead of" in d.problem for d in found.damages)
    assert not found.mended
    assert mended.mended
    assert (mended.references, mended.heads) == (36, 2)
    with open_home(str(home)) as store:
        assert store.counts() == {"wasp": 36}
        assert store.get([picture_id("wasp-0")]) == []
        assert store.active_head() == ActiveHead("v2", ("v1",))
        assert store.verify().damages == []


def test_repair__says_what_is_lost(home: Path) -> None:
    """A reference whose payload is gone is named, and the others answer."""
    path = _file(home, "references", "vector_storage/vectors/chunk_0.mmap")
    with path.open("r+b") as file:
        file.write(bytes(64))  # one vector of 16 numbers

    mended = _verify(home, repair=True)

    assert [d.mended for d in mended.damages] == ["35 of 36 points were kept", "it is lost"] or [
        d.mended for d in mended.damages
    ] == ["36 of 36 points were kept"]  # the first place is a removed reference's
    with open_home(str(home)) as store:
        assert store.verify().damages == []


def test_repair__keeps_the_old_files(home: Path) -> None:
    """What was damaged stays beside what was made of it."""
    _cut(_file(home, "references", MAPPINGS))

    _verify(home, repair=True)

    (aside,) = home.glob("default/spaces/*/references.damaged")
    assert [*aside.rglob("chunk_0.mmap")]


# -- backup and restore ------------------------------------------------------------------------


def _backup(home: Path) -> bytes:
    file = io.BytesIO()
    with open_home(str(home)) as store:
        store.backup(file)
    return file.getvalue()


def _restore(home: Path, data: bytes, *, replace: bool = False) -> None:
    settings = Settings.load(home=home)
    restore_store(settings, io.BytesIO(data), command="ingest restore", replace=replace)


def test_backup__restored_answers_the_same(home: Path, tmp_path: Path, pictures: Pictures) -> None:
    """Into an empty home: the same neighbours, counts, changes and heads."""
    data = _backup(home)
    queries = np.stack([p.vector for p in pictures.many("query", 5)])

    _restore(tmp_path / "empty", data)

    with open_home(str(home)) as old, open_home(str(tmp_path / "empty")) as new:
        assert new.neighbours(queries, k=7) == old.neighbours(queries, k=7)
        assert new.state() == old.state()
        assert new.heads() == old.heads()
        assert new.active_head() == old.active_head()
        assert new.load_head("v2").blocks["linear"].tolist() == [[1.0] * 17] * 3
        assert new.verify() == Verification(references=36, heads=2, damages=[])
    assert len(data) < 2_000_000  # the engine's files are mostly holes


def test_backup__of_an_open_gallery_holds_the_last_write(
    home: Path, tmp_path: Path, pictures: Pictures
) -> None:
    """What is in the log alone is in the backup too, and the gallery can be used afterwards."""
    file = io.BytesIO()
    with open_home(str(home)) as store:
        store.add(pictures.many("bee", 3))
        store.backup(file)
        store.add(pictures.many("moth", 1))

    _restore(tmp_path / "empty", file.getvalue())

    with open_home(str(tmp_path / "empty")) as store:
        assert store.counts() == {"wasp": 36, "bee": 3}


def test_restore__refuses_to_replace(home: Path, pictures: Pictures) -> None:
    """A gallery that is there is left alone, unless that is asked for."""
    data = _backup(home)
    with open_home(str(home)) as store:
        store.add(pictures.many("bee", 1))

    with pytest.raises(StoreError, match=r"there is a gallery 'default' .*--replace"):
        _restore(home, data)
    with open_home(str(home)) as store:
        assert store.count() == 37
    _restore(home, data, replace=True)
    with open_home(str(home)) as store:
        assert store.count() == 36


def test_restore__over_a_damaged_gallery(home: Path) -> None:
    """This is the remedy that the messages name."""
    data = _backup(home)
    shutil.rmtree(home / "default" / "spaces")

    _restore(home, data, replace=True)

    assert _verify(home).damages == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "it is no backup of Holotype"),
        (lambda _: b"a picture" * 1000, "it is no backup of Holotype"),
        (lambda data: data[: len(data) // 2], "the backup cannot be used: .*take another one"),
        (lambda data: data[:-20000], "the backup cannot be used: .*take another one"),
        (
            lambda data: data.replace(b"wasp/wasp-9.png", b"bees/wasp-9.png"),
            "the bytes of references/.* have changed; take another one",
        ),
    ],
)
def test_restore__damaged_backup(
    home: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    """It is refused as a whole, and the gallery that is there stays as it is."""
    data = _backup(home)

    with pytest.raises(StoreError, match=message):
        _restore(home, damage(data), replace=True)

    assert not (home / "default" / "restoring").exists()
    assert _verify(home) == Verification(references=36, heads=2, damages=[])


def test_restore__while_it_is_in_use(home: Path) -> None:
    """Nothing is pulled from under an owner."""
    data = _backup(home)
    with open_home(str(home)), pytest.raises(StoreLocked, match="is in use by"):
        _restore(home, data, replace=True)
