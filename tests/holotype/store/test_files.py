"""Small files that are replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holotype.store.files import read_json, write_json


def test_write_json__round_trip(tmp_path: Path) -> None:
    """What was written is read, and nothing else lies about."""
    write_json(tmp_path / "a.json", {"name": "Käfer", "n": 1})

    assert read_json(tmp_path / "a.json") == {"name": "Käfer", "n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_write_json__interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way leaves the old file; the next one succeeds."""
    path = tmp_path / "a.json"
    write_json(path, {"n": 1})

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space left"):
            write_json(path, {"n": 2})

    assert read_json(path) == {"n": 1}
    write_json(path, {"n": 3})
    assert read_json(path) == {"n": 3}


def test_read_json__absent(tmp_path: Path) -> None:
    """A file that is not there is None, one that holds no object is an error."""
    assert read_json(tmp_path / "a.json") is None
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(ValueError, match="does not hold a JSON object"):
        read_json(tmp_path / "a.json")
