"""What `ingest add` says of labels, sources and doubled files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from holotype.errors import UsageError
from holotype.intake.folders import Folders
from holotype.intake.manifest import Manifest
from tests.fakes import ColourEncoder
from tests.image_files import make_tree
from tests.ingest.conftest import Ingest


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> ColourEncoder:
    """No weights are needed."""
    made = ColourEncoder()
    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", lambda _settings: made)
    return made


def listed(ingest: Ingest) -> list[dict[str, Any]]:
    """All references."""
    return [json.loads(line) for line in ingest("list", "--json").stdout.splitlines()]


def test_classes__are_said_before_anything_is_embedded(
    ingest: Ingest, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their counts, and which are new; also where the encoder cannot be loaded then."""
    make_tree(images, {"croton": [1, 2, 3], "hyptis": [4]})

    def fail(_settings: object) -> ColourEncoder:
        raise UsageError("seen enough")

    with monkeypatch.context() as patched:
        patched.setattr("holotype.encoder.quick_start.load_quickly", fail)
        failed = ingest("add", images)
    assert failed.stderr.splitlines() == [
        "4 images of 2 classes:",
        "3  croton",
        "1  hyptis",
        "error: seen enough",
    ]
    assert ingest("add", images).returncode == 0
    make_tree(images, {"matayba": [5]})
    again = ingest("add", images)
    assert "1  matayba  (new)" in again.stderr
    assert "3  croton\n" in again.stderr


def test_classes__a_dry_run_says_them(ingest: Ingest, images: Path) -> None:
    """Of one label, too, and changes nothing."""
    make_tree(images, {"a": [1, 2]})
    done = ingest("add", images, "--label", "bee", "--dry-run")
    assert done.stderr.startswith("2 images of 1 class:\n2  bee\n")
    assert ingest("classes").returncode == 1


def test_slips__are_warned_of(ingest: Ingest, images: Path) -> None:
    """A new label that is nearly one of the gallery, or of this run; what is known is not."""
    make_tree(images / "first", {"croton": [1, 2]})
    assert "notice" not in ingest("add", images / "first").stderr
    make_tree(images / "more", {"crotn": [3], "Hyptis": [4], "hyptis": [5, 6]})
    done = ingest("add", images / "more", "--dry-run")
    assert (
        "notice: the label 'crotn' is new and is nearly 'croton' (in the gallery): if they are one "
        "class, `ingest relabel --from 'crotn' --to 'croton'` afterwards"
    ) in done.stderr
    assert "'Hyptis' is new and differs in case alone from 'hyptis' (new, too)" in done.stderr
    ingest("add", images / "more")
    assert "notice" not in ingest("add", images / "more").stderr


def test_list__a_label_that_is_not_there(ingest: Ingest, images: Path) -> None:
    """`list`, `relabel` and `remove` name the nearest."""
    make_tree(images, {"croton": [1], "hyptis": [2]})
    ingest("add", images)
    asked = (
        ("list", "--label", "Crotn"),
        ("relabel", "--from", "crotn", "--to", "x"),
        ("remove", "--label", "crotn", "--yes"),
    )
    for arguments in asked:
        done = ingest(*arguments)
        assert done.returncode == 1
        assert "did you mean 'croton'?" in done.stderr


def test_duplicates__of_the_same_run_name_the_first(ingest: Ingest, images: Path) -> None:
    """In the report and to people; the first is added. Another run knows all of them alike."""
    make_tree(images, {"bee": [1]})
    first = images / "bee" / "00001.png"
    shutil.copy(first, images / "bee" / "copy.png")
    (images / "bee" / "sub").mkdir()
    shutil.copy(first, images / "bee" / "sub" / "x.png")
    done = ingest("add", images, "--json")
    told = {Path(one["source"]).name: one for one in map(json.loads, done.stdout.splitlines()[:-1])}
    assert told["00001.png"]["outcome"] == "added"
    assert told["copy.png"]["outcome"] == told["x.png"]["outcome"] == "already_present"
    assert told["copy.png"]["reason"] == "duplicate of 00001.png in this folder"
    assert told["x.png"]["reason"] == f"duplicate of {first}"
    assert f"{images}/bee/copy.png: duplicate of 00001.png in this folder" in done.stderr
    assert "2  of these: the same picture as another file of this run" in done.stderr
    again = ingest("add", images)
    assert "duplicate" not in again.stderr
    assert "3  already present" in again.stderr


def test_sources__are_absolute_however_a_folder_is_named(
    ingest: Ingest, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept absolute; another spelling of the same folder is known, and changes nothing."""
    make_tree(images, {"bee": [1]})
    monkeypatch.chdir(images.parent)
    assert "1  added" in ingest("add", "images").stderr
    monkeypatch.chdir(images / "bee")
    for spelling in ("..", "../../images", images, "../bee/.."):
        assert "1  already present" in ingest("add", spelling).stderr
    assert [one["source"] for one in listed(ingest)] == [str(images / "bee" / "00001.png")]


def test_sources__relative_to_a_stated_root(
    ingest: Ingest, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of folders and of manifests; a path outside the root is refused before anything is done."""
    make_tree(images, {"bee": [1], "wasp": [2]})
    monkeypatch.chdir(images / "bee")
    ingest("add", ".", "--label", "bee", "--root", tmp_path)
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,label\nwasp/00002.png,wasp\n")
    ingest("add", "--manifest", manifest, "--root", images)
    sources = {one["label"]: one["source"] for one in listed(ingest)}
    assert sources == {"bee": "images/bee/00001.png", "wasp": "wasp/00002.png"}
    done = ingest("add", images, "--root", images / "bee")
    assert done.returncode == 2
    assert "does not lie in" in done.stderr


def test_sources__names_are_readable_in_every_form(images: Path) -> None:
    """Bytes that are no text become escapes, wherever in the path they stand."""
    odd = make_tree(images / "caf\udce9", {"bee": [1]})
    (item,) = Folders([odd])
    assert item.source == rf"{images}/caf\xe9/bee/00001.png"
    (item,) = Folders([odd], root=images)
    assert item.source == r"caf\xe9/bee/00001.png"
    (item,) = Folders([odd / "bee" / "00001.png"], label="bee", root=odd / "bee")
    assert item.source == "00001.png"


def test_manifest__counts_its_classes(images: Path) -> None:
    """In their one spelling, without the rows that have none."""
    file = images / "m.csv"
    file.write_text("path,label\na.png,bee\nb.png, bee \nc.png,\nd.png,wasp\n")
    assert Manifest(file).class_counts() == {"bee": 2, "wasp": 1}
