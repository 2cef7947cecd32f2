"""`curate next`: from a store, through a service, and before there is a gallery."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate import cli
from tests.classify.conftest import COLOURS, ColourGallery, fill_with_colours, picture
from tests.fakes import ColourEncoder
from tests.running import running

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def encoder() -> ColourEncoder:
    """The encoder of `run`; it counts."""
    return ColourEncoder()


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], encoder: ColourEncoder
) -> Run:
    """Run `curate next ARGUMENTS` in this process; exit code, standard output and error."""
    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", lambda _: encoder)

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["curate", "next", *map(str, arguments)])
        capfd.readouterr()
        code: Any = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        said = capfd.readouterr()
        return int(code), said.out, said.err

    return command


@pytest.fixture
def gallery(tmp_path: Path) -> ColourGallery:
    """Six references each of three colours, in the home that commands use."""
    return fill_with_colours(ColourGallery(tmp_path / "home"))


@pytest.fixture
def drawer(tmp_path: Path) -> Path:
    """Three pictures of each colour, one twice, one that is a reference, one that is broken."""
    folder = tmp_path / "drawer"
    folder.mkdir()
    for colour in COLOURS:
        for seed in range(50, 53):
            (folder / f"{colour}-{seed}.png").write_bytes(picture(colour, seed))
    (folder / "again.png").write_bytes(picture("red", 50))
    (folder / "known.png").write_bytes(picture("green", 0))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    return folder


def test_next__for_people_and_for_programs(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder, drawer: Path, tmp_path: Path
) -> None:
    """A table with reasons and the stop rule's sentence; JSON, CSV and links say the same."""
    code, out, err = run(drawer, "--batch", 2)
    assert code == 3, "the broken one was named"
    assert "broken.png" in err
    assert "1 pictures are references already" in err
    assert "label these 2 of 9 pictures next" in out
    assert "the next 2 labels are expected to change" in out
    file, links = tmp_path / "next.csv", tmp_path / "links"
    code, out, _ = run(drawer, "--batch", 2, "--json", "--csv", file, "--link-into", links)
    found = json.loads(out)
    assert (found["pictures"], found["references"]) == (9, 18)
    names = [one["picture"] for one in found["batch"]]
    assert [one["rank"] for one in found["batch"]] == [1, 2]
    for one in found["batch"]:
        assert Path(one["picture"]).name.startswith(one["label"])
        assert one["reason"]
    with file.open(newline="") as rows:
        assert [row["picture"] for row in csv.DictReader(rows)] == names
    assert sorted(links.iterdir()) == sorted(links / Path(name).name for name in names)
    assert all(link.is_symlink() for link in links.iterdir())
    assert encoder.images_encoded == 9, "the second look embedded nothing"


def test_next__through_a_service(gallery: ColourGallery, run: Run, drawer: Path) -> None:
    """The same batch as from the store."""
    _, here, _ = run(drawer, "--json", "--batch", 4)
    with gallery.open() as store, running(store, home=gallery.home) as service:
        code, there, err = run(drawer, "--json", "--batch", 4, "--server", service.url)
    assert code == 3, err
    assert json.loads(there) == json.loads(here)


def test_next__before_there_is_a_gallery(run: Run, drawer: Path, tmp_path: Path) -> None:
    """The encoder is enough; no gallery is made; copies are files."""
    code, out, _ = run(drawer, "--json", "--batch", 3, "--copy-into", tmp_path / "copies")
    assert code == 3
    found = json.loads(out)
    assert found["expected_change"] is None
    assert [one["label"] for one in found["batch"]] == [None] * 3
    assert not (tmp_path / "home" / "default").exists()
    copies = list((tmp_path / "copies").iterdir())
    assert len(copies) == 3
    assert not any(copy.is_symlink() for copy in copies)
    _, out, _ = run(drawer, "--batch", 3)
    assert "what they change cannot be said yet: the gallery is empty" in out


def test_next__vectors(gallery: ColourGallery, run: Run, tmp_path: Path) -> None:
    """Rows of a file, by their names."""
    vectors = np.stack([gallery.embed(picture(colour, 60)) for colour in COLOURS])
    np.savez(tmp_path / "new.npz", vector=vectors, id=[f"{colour}-60" for colour in COLOURS])
    code, out, err = run("--vectors", tmp_path / "new.npz", "--json")
    assert code == 0, err
    batch = json.loads(out)["batch"]
    assert {(one["picture"], one["label"]) for one in batch} <= {
        (f"{colour}-60", colour) for colour in COLOURS
    }
    assert batch


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say where the pictures are"),
        (["DIR", "--queue"], "say where the pictures are"),
        (["--queue", "--link-into", "x"], "name folders of them"),
        (["DIR", "--link-into", "x", "--copy-into", "y"], "name one"),
        (["EMPTY"], "empty holds no pictures"),
        (["KNOWN"], "all-known is a reference already"),
    ],
)
def test_next__bad_input(
    gallery: ColourGallery,
    run: Run,
    drawer: Path,
    tmp_path: Path,
    arguments: list[str],
    says: str,
) -> None:
    """A clear word each."""
    for name in ("empty", "all-known"):
        (tmp_path / name).mkdir()
    (tmp_path / "all-known" / "a.png").write_bytes(picture("green", 0))
    places = {"DIR": drawer, "EMPTY": tmp_path / "empty", "KNOWN": tmp_path / "all-known"}
    code, out, err = run(*(places.get(one, one) for one in arguments))
    assert code == 2
    assert says in err
    assert out == ""
