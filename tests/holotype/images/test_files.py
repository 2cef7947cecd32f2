"""Finding and reading files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holotype.errors import BrokenImage, UsageError
from holotype.images.files import find_images, read_file


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


@pytest.fixture
def closed_folder(tmp_path: Path) -> Path:
    """A folder that this user may not list."""
    folder = tmp_path / "closed"
    touch(folder / "x.jpg")
    folder.chmod(0)
    if os.access(folder, os.R_OK):
        folder.chmod(0o700)
        pytest.skip("this user may read everything")
    return folder


def test_find__unlistable_folder_is_reported(closed_folder: Path) -> None:
    """A folder that cannot be listed is not passed over in silence."""
    try:
        assert list(find_images([closed_folder.parent])) == [closed_folder]
        with pytest.raises(
            BrokenImage, match=r"^a folder that cannot be listed: permission denied$"
        ):
            read_file(closed_folder)
    finally:
        closed_folder.chmod(0o700)


def test_find__unlistable_folder_by_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a machine where permissions stop nobody: the listing itself fails."""
    touch(tmp_path / "a/x.jpg")
    real = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path) == ["a"]
    with pytest.raises(BrokenImage, match=r"^a folder that cannot be listed: permission denied$"):
        read_file(tmp_path / "a")


def test_read_file__bytes(tmp_path: Path) -> None:
    """A sound file's bytes come back."""
    touch(tmp_path / "x.jpg")
    assert read_file(tmp_path / "x.jpg") == b"x"


def test_read_file__folder_named_like_a_picture(tmp_path: Path) -> None:
    """A folder is no picture, whatever it is called."""
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(BrokenImage, match=r"^a folder, not a file$"):
        read_file(tmp_path / "x.jpg")


def test_read_file__gone(tmp_path: Path) -> None:
    """A file that went away since it was found."""
    with pytest.raises(BrokenImage, match=r"^the file does not exist$"):
        read_file(tmp_path / "x.jpg")


def test_read_file__no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read."""
    touch(tmp_path / "x.jpg")

    def refuse(_self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BrokenImage, match=r"^permission denied$"):
        read_file(tmp_path / "x.jpg")


def test_read_file__too_large(tmp_path: Path) -> None:
    """A file larger than any picture is not read into memory (it is sparse here)."""
    with (tmp_path / "x.jpg").open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(BrokenImage, match=r"^too large: 3\.0 GiB, at most 1 GiB is read$"):
        read_file(tmp_path / "x.jpg")
