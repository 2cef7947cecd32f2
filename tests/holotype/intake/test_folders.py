"""Files and folders as a source of labelled pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holotype.errors import UsageError
from holotype.intake.folders import Folders
from holotype.intake.groups import parse_group
from holotype.intake.incoming import Incoming
from holotype.outcomes import Outcome
from tests.image_files import make_tree


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An empty folder for pictures."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def labels(found: list[Incoming]) -> list[str]:
    """Label of each, in order."""
    return [item.label for item in found]


def test_folders__first_level_folders_are_the_classes(images: Path) -> None:
    """However deep a picture lies, its label is the folder right below PATH."""
    make_tree(images, {"bee/2024/may": [1], "bee": [2], "wasp": [3]})
    found = list(Folders([images]))
    assert labels(found) == ["bee", "bee", "wasp"]
    assert list(Folders([images])) == found


def test_folders__the_folder_one_is_in(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.` is a PATH like any other."""
    make_tree(images, {"bee/deep": [1], "wasp": [2]})
    (images / "stray.png").write_bytes(b"x")
    monkeypatch.chdir(images)
    bee, stray, wasp = Folders([Path()], group=parse_group("folder"))
    assert (bee.label, bee.group, wasp.label, wasp.group) == ("bee", "bee/deep", "wasp", "wasp")
    assert stray.verdict is not None


def test_folders__one_label_for_all(images: Path) -> None:
    """With a label, folders mean nothing, and single files are taken."""
    make_tree(images, {"x": [1], "y/z": [2]})
    (images / "x" / "scan").write_bytes(b"named, so taken")
    found = list(Folders([images / "x" / "scan", images], label="bee"))
    assert labels(found) == ["bee"] * 3
    assert found[0].source == str(images / "x" / "scan")


def test_folders__a_picture_outside_the_classes_fails(images: Path) -> None:
    """A picture right in PATH has no label: it is reported, the others go on."""
    make_tree(images, {"bee": [1]})
    (images / "stray.png").write_bytes(b"x")
    bee, stray = Folders([images])
    assert bee.verdict is None
    assert stray.verdict is not None
    assert stray.verdict.reason == (
        f"no label: it lies in {images} itself, not in a folder of a class below it"
    )


def test_folders__no_class_folders_is_a_usage_error(images: Path) -> None:
    """Forgetting --label on a folder of pictures is said before anything is done."""
    make_tree(images, {"bee": [1]})
    with pytest.raises(UsageError, match="has no folders of classes in it: name the label"):
        Folders([images / "bee"])
    with pytest.raises(UsageError, match="is a file: name the label of its images with --label"):
        Folders([images / "bee" / "00001.png"])


def test_folders__a_missing_path_is_a_usage_error(images: Path) -> None:
    """A path that does not exist is named before anything is done."""
    with pytest.raises(UsageError, match=r"no such file or folder: .*nowhere"):
        Folders([images / "nowhere"], label="bee")


def test_folders__names_that_are_no_text_can_be_reported(images: Path) -> None:
    """A file name that is not UTF-8 is read by its bytes and reported with escapes."""
    (images / "bee").mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    (images / "bee" / name).write_bytes(b"x")
    [found] = Folders([images])
    assert found.source == rf"{images}/bee/caf\xe9.png"
    assert found.path == images / "bee" / name


def test_folders__a_class_that_is_no_text_is_refused(images: Path) -> None:
    """No label is made up for a folder whose name is not UTF-8."""
    folder = images / os.fsdecode(b"K\xe4fer")
    folder.mkdir()
    (folder / "a.png").write_bytes(b"x")
    [found] = Folders([images])
    assert found.verdict is not None
    assert "is no UTF-8: rename or save anew" in (found.verdict.reason or "")


def test_folders__an_accent_is_one_label_however_it_is_spelt(images: Path) -> None:
    """Composed and decomposed letters are the same class."""
    make_tree(images, {"caf\N{LATIN SMALL LETTER E WITH ACUTE}": [1]})
    make_tree(images, {"cafe\N{COMBINING ACUTE ACCENT}": [2]})
    assert len(set(labels(list(Folders([images]))))) == 1


@pytest.mark.parametrize(
    ("rule", "groups"),
    [
        (None, [None, None, None]),
        ("night 7", ["night 7"] * 3),
        ("folder", ["bee", "bee/slide1", "wasp/slide1"]),
        (r"re:slide(\d+)", ["fails", "1", "1"]),
        (r"re:bee/(slide\d+)?|wasp", [None, "slide1", None]),
    ],
)
def test_folders__groups(images: Path, rule: str | None, groups: list[str | None]) -> None:
    """A constant, the folder below PATH, or what an expression captures in the path."""
    make_tree(images, {"bee": [1], "bee/slide1": [2], "wasp/slide1": [3]})
    found = Folders([images], group=parse_group(rule))
    assert ["fails" if item.verdict else item.group for item in found] == groups


def test_folders__a_path_without_its_group_says_so(images: Path) -> None:
    """The expression that did not match is part of the reason."""
    make_tree(images, {"bee": [1]})
    [found] = Folders([images], group=parse_group("re:slide(.)"))
    assert found.verdict is not None
    assert found.verdict.reason == "--group: 'slide(.)' does not match this path"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("re:(", "is no regular expression"),
        ("re:abc", "has 0 captures, exactly one"),
        ("re:(a)(b)", "has 2 captures, exactly one"),
        (" ", "the group is empty"),
    ],
)
def test_parse_group__refuses(rule: str, message: str) -> None:
    """A rule that cannot work is a usage error at once."""
    with pytest.raises(UsageError, match=message):
        parse_group(rule)


@pytest.mark.parametrize("spelt", ["{}/train", "{}/train/", "{}/./train", "{}/val/../train"])
def test_folders__a_split_with_classes_and_folders_in_them(images: Path, spelt: str) -> None:
    """`train/<class>/sub/...`: PATH is the split, however it is spelt; below a class all is one."""
    tree = {"train/bee/a/b/c": [1], "train/bee": [2], "train/wasp/a": [3], "val/bee": [4]}
    make_tree(images, tree)
    found = list(Folders([Path(spelt.format(images))], group=parse_group("folder")))
    assert labels(found) == ["bee", "bee", "wasp"]
    assert [item.group for item in found] == ["bee", "bee/a/b/c", "wasp/a"]


def test_folders__several_paths_are_each_a_root(images: Path) -> None:
    """The first level below each of them is the class, and each is counted."""
    make_tree(images, {"train/bee": [1, 2], "val/bee": [3], "val/wasp": [4]})
    found = Folders([images / "train", images / "val"])
    assert labels(list(found)) == ["bee", "bee", "bee", "wasp"]
    assert found.count() == 4


def test_folders__a_link_to_a_folder_is_a_class(images: Path, tmp_path: Path) -> None:
    """Its name is the label; a link that leads back up adds nothing and ends."""
    make_tree(tmp_path / "elsewhere", {"x": [1], "x/deep": [2]})
    make_tree(images, {"wasp": [3]})
    (images / "bee").symlink_to(tmp_path / "elsewhere" / "x")
    (images / "wasp" / "up").symlink_to(images)
    found = Folders([images])
    assert labels(list(found)) == ["bee", "bee", "wasp"]
    assert found.count() == 3


def test_folders__a_folder_whose_name_is_no_label_fails_its_pictures(images: Path) -> None:
    """A blank or overlong name is reported picture by picture; other classes go on."""
    make_tree(images, {"  ": [1, 2], "bee": [3], "x" * 201: [4]})
    blank, again, bee, overlong = Folders([images])
    assert [item.verdict.reason for item in (blank, again) if item.verdict] == [
        "the label is empty",
        "the label is empty",
    ]
    assert (bee.verdict, bee.label) == (None, "bee")
    assert overlong.verdict is not None
    assert "is longer than 200 characters" in (overlong.verdict.reason or "")


def test_folders__a_folder_group_at_the_top_level(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture right in PATH belongs to the group of PATH's own name, however it is named."""
    make_tree(images, {".": [1], "slide1": [2]})
    rule = parse_group("folder")
    top, below = Folders([images], label="bee", group=rule)
    assert (top.group, below.group) == ("images", "slide1")
    [named] = Folders([images / "00001.png"], label="bee", group=rule)
    assert named.group == "images"
    monkeypatch.chdir(images)
    for path in (Path(), Path("00001.png")):
        top, *_ = Folders([path], label="bee", group=rule)
        assert (top.source, top.group) == (str(images / "00001.png"), "images")


def test_folders__a_file_that_went_away_is_still_named(images: Path) -> None:
    """Between the listing and the look: it comes out, and reading it gives the reason."""
    make_tree(images, {"bee": [1, 2]})
    found = iter(Folders([images]))
    next(found)
    (images / "bee" / "00002.png").unlink()
    gone = next(found)
    assert (gone.path, gone.status, gone.verdict) == (images / "bee" / "00002.png", None, None)


def test_folders__what_cannot_be_taken_comes_out_with_its_own_reason(images: Path) -> None:
    """A link to itself right in PATH is no picture without a label: it is what it is."""
    make_tree(images, {"bee": [1]})
    (images / "again").symlink_to(images / "again")
    broken, bee = Folders([images])
    assert bee.verdict is None
    assert broken.verdict == (Outcome.BROKEN, "a link that leads back to itself")
    assert broken.source == str(images / "again")


def test_folders__a_class_without_pictures_is_named(images: Path) -> None:
    """An empty one, one of other files, and one that is a link to another."""
    make_tree(images, {"bee": [1], "wasp": [2]})
    (images / "fly").mkdir()
    (images / "fly" / "notes.txt").write_bytes(b"x")
    (images / "moth").mkdir()
    (images / "zebra").symlink_to("bee")
    found = Folders([images])
    assert labels(list(found)) == ["bee", "wasp"]
    assert found.left_out.lines() == [
        "2 left out: 1 .txt, 1 folder that was gone through already (skipped: no pictures, by "
        "their names or first bytes)",
        f"nothing came of the class folder {images}/fly: no picture was found in it",
        f"nothing came of the class folder {images}/moth: no picture was found in it",
        f"nothing came of the class folder {images}/zebra: it is the folder {images}/bee",
    ]
    assert labels(list(Folders([images], label="x"))) == ["x", "x"]


def test_folders__each_iteration_counts_anew(images: Path) -> None:
    """Counting beside it changes nothing."""
    make_tree(images, {"bee": [1]})
    (images / "bee" / "notes.txt").write_bytes(b"x")
    found = Folders([images])
    for _ in range(2):
        assert len(list(found)) == found.count() == 1
        assert str(found.left_out).startswith("1 left out: 1 .txt (")


@pytest.mark.parametrize(
    "classes",
    [
        {"train/bee": [1], "val/bee": [2]},
        {"Train_2017/bee": [1], "test-set/bee": [2], "notes": []},
        {"training": [1], "validation": [2]},
        {"train/bee": [1]},
    ],
)
def test_folders__parts_of_a_data_set_are_no_classes(
    images: Path, classes: dict[str, list[int]]
) -> None:
    """Refused before anything is done, with the folder to name instead, and the flag."""
    make_tree(images, classes)
    first = sorted(path.name for path in images.iterdir())[0]
    with pytest.raises(UsageError, match=r"not classes\. Name one of them \(.*\), or say --splits"):
        Folders([images])
    with pytest.raises(UsageError, match="parts of a data set, not classes"):
        Folders([images], may_be_empty=True)
    assert first in labels(list(Folders([images], splits_are_classes=True)))
    Folders([images], label="x")


@pytest.mark.parametrize(
    "classes", [{"train": [1]}, {"bus": [1], "train": [2]}, {"bus/a": [1], "train/a": [2]}]
)
def test_folders__a_train_may_be_a_vehicle(images: Path, classes: dict[str, list[int]]) -> None:
    """One such name among others, or with pictures right in it, is a class like any other."""
    make_tree(images, classes)
    assert "train" in labels(list(Folders([images])))
