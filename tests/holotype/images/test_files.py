"""Reading files."""

from __future__ import annotations

from pathlib import Path

import pytest

from holotype.errors import BrokenImage
from holotype.images.files import read_file


def touch(*paths: Path) -> None:
    """Make small files, and the folders they lie in."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


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
