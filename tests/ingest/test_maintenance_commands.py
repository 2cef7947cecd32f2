"""`ingest verify`, `backup` and `restore`: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holotype.store.port import VectorStore
from tests.ingest.conftest import Ingest
from tests.references import Pictures


@pytest.fixture
def gallery(open_store: Callable[..., VectorStore], pictures: Pictures) -> None:
    """Three bees, closed again."""
    with open_store() as store:
        store.add(pictures.many("bee", 3))


@pytest.fixture
def damaged(gallery: None, tmp_path: Path) -> str:
    """A file of the gallery that is too short now."""
    (path,) = tmp_path.glob("home/default/spaces/*/references/segments/*/*.mappings")
    path.write_bytes(path.read_bytes()[:-21])
    return str(path.relative_to(path.parents[3]))


@pytest.mark.usefixtures("gallery")
def test_verify__whole(ingest: Ingest) -> None:
    """Nothing is listed, and the exit code is 0."""
    done = ingest("verify")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "3 references and 0 trained heads are whole\n"
    assert json.loads(ingest("verify", "--json").stdout) == {
        "references": 3,
        "heads": 0,
        "damages": [],
    }


def test_verify__damaged(ingest: Ingest, damaged: str) -> None:
    """Each damage is listed with what to do, the exit code is 3; repaired, all is whole."""
    problem = f"{damaged}: has 42 bytes instead of 63"

    found = ingest("verify")
    assert (found.returncode, found.stdout) == (3, f"{problem}\n")
    assert "1 damages: restore a backup (`ingest restore`), or run this with --repair" in (
        found.stderr
    )
    assert "restore a backup (`ingest restore`)" in ingest("classes").stderr

    repaired = ingest("verify", "--repair")
    assert (repaired.returncode, repaired.stdout) == (3, f"{problem}; 3 of 3 points were kept\n")
    assert "3 references and 0 trained heads are whole; what was damaged is" in repaired.stderr
    assert ingest("verify").returncode == 0


@pytest.mark.usefixtures("gallery")
def test_backup__and_restored(ingest: Ingest, tmp_path: Path) -> None:
    """One file, restored under another name; a name that is taken is refused."""
    file = tmp_path / "moths.backup"
    backed_up = ingest("backup", str(file), "--json")
    assert json.loads(backed_up.stdout) == {
        "gallery": "default",
        "file": str(file),
        "bytes": file.stat().st_size,
    }
    assert backed_up.stderr.startswith(f"backed up gallery 'default' to {file} (")

    restored = ingest("restore", str(file), "--gallery", "again", "--json")
    assert json.loads(restored.stdout) == {"gallery": "again", "references": 3, "heads": 0}
    assert restored.stderr == "restored gallery 'again': 3 references, 0 trained heads\n"
    assert ingest("classes", "--gallery", "again").stdout == "3  bee\n"

    refused = ingest("restore", str(file))
    assert refused.returncode == 1
    assert "there is a gallery 'default'" in refused.stderr
    assert ingest("restore", str(file), "--replace").returncode == 0


@pytest.mark.usefixtures("gallery")
def test_backup__files_that_cannot_be(ingest: Ingest, tmp_path: Path) -> None:
    """A file that cannot be written or read, or is no backup, is one sentence."""
    nowhere = tmp_path / "nowhere" / "file"
    for words, message in [
        (("backup", str(nowhere)), "the backup cannot be written to"),
        (("restore", str(nowhere)), "cannot be read"),
        (("restore", "--gallery", "new", __file__), "it is no backup of Holotype"),
        (("restore", __file__, "--server", "http://127.0.0.1:1"), "stop it, restore where its"),
    ]:
        done = ingest(*words)
        assert done.returncode in {1, 2}
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not nowhere.parent.exists()
    assert not (tmp_path / "home" / "new" / "gallery.json").exists()
