"""Manifests that other programs write: image folders of Hugging Face, and COCO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from holotype.errors import UsageError
from holotype.intake.folders import Folders
from holotype.intake.manifest import Manifest
from holotype.intake.sources import source_of
from tests.image_files import make_tree


def found_in(*paths: Path, label: str | None = None) -> Folders | Manifest:
    """What `ingest add PATH...` takes."""
    return source_of(paths, label=label, manifest=None, group=None, meta={})


def labels(found: Folders | Manifest) -> dict[str, str]:
    """Label by the name of the file."""
    return {Path(item.file or "").name: item.label for item in found}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_image_folder__metadata_names_the_labels(tmp_path: Path, kind: str) -> None:
    """`file_name` is the path, other columns are metadata, and folders are no classes."""
    root = make_tree(tmp_path / "set", {"batch1": [1, 2]})
    rows = [
        {"file_name": "batch1/00001.png", "label": "bee", "site": "A"},
        {"file_name": "batch1/00002.png", "label": "wasp", "site": "B"},
    ]
    if kind == "csv":
        lines = ["file_name,label,site", *(",".join(row.values()) for row in rows)]
        (root / "metadata.csv").write_text("\n".join(lines))
    else:
        (root / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = found_in(root)
    assert isinstance(found, Manifest)
    assert labels(found) == {"00001.png": "bee", "00002.png": "wasp"}
    assert [item.meta for item in found] == [{"site": "A"}, {"site": "B"}]
    assert "not of folders" in found.notices[0]
    assert labels(found_in(root, label="x")) == {"00001.png": "x", "00002.png": "x"}


def test_image_folder__images_that_it_does_not_name_are_counted(tmp_path: Path) -> None:
    """Nothing is left out without a word."""
    root = make_tree(tmp_path / "set", {"a": [1, 2, 3]})
    (root / "metadata.csv").write_text("file_name,label\na/1.png,bee\n")
    found = found_in(root)
    assert isinstance(found, Manifest)
    assert "it names 1 of 3 images in its folder: the others are left out" in found.notices


@pytest.mark.parametrize("text", ["file_name,text\na/1.png,hello\n", "what,ever\n1,2\n", "\0"])
def test_image_folder__a_table_without_labels_is_none(tmp_path: Path, text: str) -> None:
    """Folders stay the classes where the table names no labels, or is another one."""
    root = make_tree(tmp_path / "set", {"a": [1]})
    (root / "metadata.csv").write_text(text)
    assert labels(found_in(root)) == {"00001.png": "a"}


def coco(folder: Path, **parts: Any) -> Path:
    """A COCO file."""
    whole: dict[str, Any] = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 8, "height": 8} for i in range(1, 4)
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7},
            {"id": 2, "image_id": 1, "category_id": 7},
            {"id": 3, "image_id": 2, "category_id": 7},
            {"id": 4, "image_id": 2, "category_id": 9},
        ],
        "categories": [{"id": 7, "name": "bee"}, {"id": 9, "name": "wasp"}],
    }
    file = folder / "instances.json"
    file.write_text(json.dumps(whole | parts))
    return file


def test_coco__one_category_is_the_label(tmp_path: Path) -> None:
    """Several, none, or one that is not listed: refused by the picture's name."""
    lost = [{"image_id": 3, "category_id": 8}]
    first, second, third = Manifest(coco(tmp_path))
    assert (first.label, first.file, first.meta) == ("bee", str(tmp_path / "1.png"), {})
    assert second.source == str(tmp_path / "2.png")
    assert "image 2 of instances.json: it has several categories ('bee', 'wasp')" in why(second)
    assert third.source == str(tmp_path / "3.png")
    assert "no annotation gives it a category" in why(third)
    third = list(Manifest(coco(tmp_path, annotations=lost)))[2]
    assert "its category 8 is not among the categories" in why(third)


def why(item: Any) -> str:
    """The reason of a failure."""
    assert item.verdict is not None
    return str(item.verdict.reason)


def test_coco__paths_are_relative_to_a_named_folder(tmp_path: Path) -> None:
    """Annotations and images lie in folders of their own; other fields are metadata."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").touch()
    (tmp_path / "annotations").mkdir()
    image = {"id": 1, "file_name": "1.png", "location": "ridge", "license": 3}
    box = [{"image_id": 1, "category_id": 7, "bbox": [0, 0, 2, 2]}]
    file = coco(tmp_path / "annotations", images=[image], annotations=box)
    found = Manifest(file, folder=tmp_path / "images")
    (item,) = found
    assert (item.file, item.meta) == (str(tmp_path / "images" / "1.png"), {"location": "ridge"})
    assert found.notices == ("it has boxes or masks: pictures are taken whole",)
    with pytest.raises(UsageError, match="no such folder"):
        Manifest(file, folder=tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["[1]", "{", '{"images": []}', '{"images": 1}', '"x"'])
def test_coco__another_json_is_refused(tmp_path: Path, text: str) -> None:
    """The message says what a COCO file has, and what else is read."""
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"COCO|cannot be read as JSON"):
        Manifest(file)


def test_coco__rows_of_odd_types_are_refused_one_by_one(tmp_path: Path) -> None:
    """An image without a name or a sensible id ends no run."""
    images = [
        {"id": [1], "file_name": "a.png"},
        {"id": 2},
        {"file_name": 3},
        {"file_name": "b.png"},
    ]
    found = list(Manifest(coco(tmp_path, images=images)))
    assert [item.verdict is not None for item in found] == [True] * 4
    assert "it has no file_name" in why(found[1])
