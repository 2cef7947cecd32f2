"""Finding pictures in folders: everything that a folder may hold is accounted for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from holotype.errors import BrokenImage, UsageError
from holotype.images.files import read_file
from holotype.images.finding import LeftOut, Unreadable, class_folders, find_images, find_runs
from tests.image_files import picture


def touch(*paths: Path) -> None:
    """Make small files, and the folders they lie in."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(*paths: Path) -> list[str]:
    """What is found, relative to the first path."""
    return [str(path.relative_to(paths[0])) for path in find_images(paths)]


def test_find__recursive_and_sorted(tmp_path: Path) -> None:
    """Folders are searched to any depth, in the order of names."""
    names = ["b/2.JPG", "b/1.png", "a/deep/er/x.heic", "c.webp", "a/y.tiff"]
    touch(*(tmp_path / name for name in names))
    assert found(tmp_path) == ["a/deep/er/x.heic", "a/y.tiff", "b/1.png", "b/2.JPG", "c.webp"]


def test_find__other_files_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    """Only picture suffixes count; names with a leading dot are somebody's housekeeping."""
    touch(
        *(tmp_path / n for n in ["a.txt", ".b.jpg", ".git/c.jpg", "._d.jpg", "e.jpg", "Makefile"])
    )
    assert found(tmp_path) == ["e.jpg"]


def test_find__named_file_whatever_its_suffix(tmp_path: Path) -> None:
    """A file that is named is taken, hidden or not."""
    touch(tmp_path / "scan.dat", tmp_path / ".hidden")
    assert list(find_images([tmp_path / "scan.dat", tmp_path / ".hidden"])) == [
        tmp_path / "scan.dat",
        tmp_path / ".hidden",
    ]


def test_find__missing(tmp_path: Path) -> None:
    """A path that does not exist is wrong usage, said before anything is done."""
    with pytest.raises(UsageError, match=r"no such file or folder: .*/nowhere$"):
        find_images([tmp_path, tmp_path / "nowhere"])


def test_find__link_loop(tmp_path: Path) -> None:
    """A folder that contains itself through a link is searched once."""
    touch(tmp_path / "a/x.jpg")
    (tmp_path / "a/again").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path) == ["a/x.jpg"]


def test_find__linked_folder_and_file(tmp_path: Path) -> None:
    """Links to folders and files elsewhere are followed."""
    touch(tmp_path / "store/x.jpg", tmp_path / "one.bin")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "linked").symlink_to(tmp_path / "store")
    (tree / "y.png").symlink_to(tmp_path / "one.bin")
    assert found(tree) == ["linked/x.jpg", "y.png"]


def test_find__dangling_link_is_reported(tmp_path: Path) -> None:
    """A link to nothing is found, so that reading it can say so."""
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "away.jpg")
    assert found(tmp_path) == ["gone.jpg"]
    with pytest.raises(BrokenImage, match=r"^a link to nothing$"):
        read_file(tmp_path / "gone.jpg")


def refused(*paths: Path) -> dict[str, str]:
    """Reasons of what is refused, by its path below the first one."""
    return {
        str(entry.path.relative_to(paths[0])): entry.reason
        for entry in find_runs(paths)
        if isinstance(entry, Unreadable)
    }


def left_out(*paths: Path) -> LeftOut:
    """What is passed over."""
    told = LeftOut()
    for _ in find_runs(paths, told):
        pass
    return told


def test_find__link_to_itself_is_refused(tmp_path: Path) -> None:
    """Whatever its suffix; what lies beside it is found."""
    touch(tmp_path / "a.jpg", tmp_path / "z.jpg")
    for name in ("loop", "loop.jpg", "loop.txt"):
        (tmp_path / name).symlink_to(tmp_path / name)
    assert found(tmp_path) == ["a.jpg", "loop", "loop.jpg", "loop.txt", "z.jpg"]
    assert refused(tmp_path) == dict.fromkeys(
        ("loop", "loop.jpg", "loop.txt"), "a link that leads back to itself"
    )


def test_find__link_to_nothing_is_refused(tmp_path: Path) -> None:
    """Also where nothing says that a picture was meant."""
    (tmp_path / "gone").symlink_to(tmp_path / "away")
    assert refused(tmp_path) == {"gone": "a link to nothing"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder, as `.`, for a user whom permissions stop: root lays its rights down."""
    folder = tmp_path / "tree"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield Path()
    if os.getuid() == 0:
        os.seteuid(0)
    (folder / "locked").chmod(0o700)


def lay_down_rights() -> None:
    """From here on permissions count."""
    if os.getuid() == 0:
        os.seteuid(65534)


def test_find__where_nobody_may_look_is_refused(tree: Path) -> None:
    """A link into a forbidden folder, that folder itself, a file that may not be looked into."""
    touch(tree / "a.jpg", tree / "unsaid", tree / "locked/x.jpg")
    (tree / "link.jpg").symlink_to("locked/x.jpg")
    (tree / "unsaid").chmod(0)
    (tree / "locked").chmod(0)
    lay_down_rights()

    assert refused(tree) == {
        "link.jpg": "permission denied",
        "locked": "a folder that cannot be listed: permission denied",
        "unsaid": "permission denied",
    }
    assert found(tree) == ["a.jpg", "link.jpg", "locked", "unsaid"]
    with pytest.raises(UsageError, match=r"locked/x\.jpg cannot be looked at: permission denied"):
        find_images([tree / "locked/x.jpg"])
    with pytest.raises(UsageError, match="locked is a folder that cannot be listed"):
        class_folders(tree / "locked")


def test_find__folder_that_vanishes(tmp_path: Path) -> None:
    """One that is removed while its neighbours are gone through is refused; nothing else is."""
    touch(tmp_path / "a/x.jpg", tmp_path / "b/y.jpg", tmp_path / "c/z.jpg")
    runs = find_runs([tmp_path])
    next(runs)
    shutil.rmtree(tmp_path / "b")

    gone, last = runs
    assert gone == Unreadable(
        tmp_path / "b", "a folder that cannot be listed: no such file or directory"
    )
    assert [Path(file).name for file in last] == ["z.jpg"]


def test_find__folders_nested_beyond_all_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,200 are gone through, deeper than Python recurses; a path that is too long is named."""
    monkeypatch.chdir(tmp_path)
    for _ in range(1200):
        Path("d").mkdir()
        os.chdir("d")
    Path("deep.jpg").write_bytes(b"x")
    name = "long" * 50
    for _ in range(20):
        Path(name).mkdir()
        os.chdir(name)
    monkeypatch.chdir(tmp_path)

    assert [path.name for path in find_images([Path("d")])] == ["deep.jpg", name]
    assert list(refused(Path("d")).values()) == [
        "a folder that cannot be listed: file name too long"
    ]
    subprocess.run(["rm", "-rf", "d"], check=True)  # Python's own way recurses


def test_find__strange_suffix_or_none_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    """What a browser or an export named oddly is a picture; what is none is left out."""
    taken = ["IMG_0", "p.jpg_large", "w.jpg?w=800", "scan.0001", "x.avif_"]
    for name, kind in zip(taken, ["JPEG", "PNG", "WebP", "TIFF", "AVIF"], strict=True):
        (tmp_path / name).write_bytes(picture(1, kind=kind))
    (tmp_path / "b.dat").write_bytes(picture(1, kind="BMP"))
    (tmp_path / "BMW.data").write_bytes(b"BMW, a name that begins as a BMP does, and is none")
    touch(tmp_path / "README", tmp_path / "x.qqq", tmp_path / "y.QQQ", tmp_path / "odd.a b")
    (tmp_path / "empty").write_bytes(b"")

    assert found(tmp_path) == sorted([*taken, "b.dat"])
    assert left_out(tmp_path).kinds == {
        ".data": 1,
        ".qqq": 2,
        "without suffix": 2,
        "with a strange suffix": 1,
    }
    assert str(left_out(tmp_path)).startswith("6 left out: 2 ")


@pytest.mark.parametrize("suffix", [".NEF", ".dng", ".thm", ".part"])
def test_find__companions_of_pictures_are_left_out(tmp_path: Path, suffix: str) -> None:
    """Camera raws, cameras' thumbnails and unfinished downloads, though they begin as pictures."""
    (tmp_path / f"x{suffix}").write_bytes(picture(1, kind="TIFF"))
    assert found(tmp_path) == []
    assert left_out(tmp_path).kinds == {suffix.lower(): 1}


def test_find__pipes_and_sockets_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not opened, which could wait for ever."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert left_out(tmp_path).kinds == {"pipe, socket or device": 2}


def test_find__what_systems_leave_behind(tmp_path: Path) -> None:
    """Thumbnails, deleted files and indexes are neither pictures nor classes; they are counted."""
    names = ["@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"]
    names += ["__MACOSX", ".Trashes", "@Recycle"]
    touch(*(tmp_path / name / "deep/x.jpg" for name in names))
    touch(tmp_path / "bee/@eaDir/x.jpg/SYNOPHOTO_THUMB_M.jpg", tmp_path / "bee/x.jpg")
    touch(tmp_path / "bee/Thumbs.db", tmp_path / "bee/.DS_Store", tmp_path / "bee/._x.jpg")

    assert found(tmp_path) == ["bee/x.jpg"]
    assert class_folders(tmp_path) == ["bee"]
    assert left_out(tmp_path).kinds == {
        "@eaDir": 2,
        "#recycle": 1,
        "$RECYCLE.BIN": 1,
        "System Volume Information": 1,
        "lost+found": 1,
        "__MACOSX": 1,
        "@Recycle": 1,
        "Thumbs.db": 1,
        "hidden": 3,
    }


def test_find__folder_that_is_met_again(tmp_path: Path) -> None:
    """It is entered once, and the second way to it is told."""
    touch(tmp_path / "a/x.jpg")
    (tmp_path / "b").symlink_to("a")
    told = left_out(tmp_path)
    assert told.again == [(tmp_path / "b", tmp_path / "a")]
    assert told.kinds == {"folder that was gone through already": 1}
