"""`classify query --sort-into`: pictures in a folder per label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from classify.answering.answers import QueryResult
from classify.sorting import Sorter, folder_name, folder_of
from tests.classify.answers import answer
from tests.classify.conftest import COLOURS, ColourGallery, Run, picture
from tests.running import running


def everything(folder: Path) -> dict[str, bytes]:
    """Each file below a folder with what it holds."""
    found = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture
def taken(tmp_path: Path) -> list[Path]:
    """Two pictures of one name, and a third."""
    files = [tmp_path / name for name in ("a/1.png", "b/1.png", "b/2.png")]
    for i, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"picture %d" % i)
    return files


@pytest.mark.parametrize("copy", [False, True])
def test_sorter__the_same_run_again_changes_nothing(
    tmp_path: Path, taken: list[Path], *, copy: bool
) -> None:
    """Names that are taken get a number, unknown queries their folder; again is the same."""
    into = tmp_path / "sorted"
    for _ in range(2):
        sorter = Sorter(into, copy=copy)
        for file, label in zip(taken, ["red", "red", None], strict=True):
            sorter.show(QueryResult(str(file), answer(label)))
        assert everything(into) == {
            "_unknown/2.png": b"picture 2",
            "red/1-2.png": b"picture 1",
            "red/1.png": b"picture 0",
        }
    assert (into / "red/1.png").is_symlink() is not copy
    assert "3" in str(sorter)
    assert "1 of them in _unknown" in str(sorter)


def test_sorter__unsure_is_a_folder_of_its_own(tmp_path: Path, taken: list[Path]) -> None:
    """With the label that it may be; that of a bundle, a service or a gallery alike."""
    perhaps = replace(answer("a/b"), state="unsure")
    Sorter(tmp_path / "sorted", copy=False).show(QueryResult(str(taken[0]), perhaps))
    assert everything(tmp_path / "sorted") == {"_unsure/a%2Fb/1.png": b"picture 0"}


@pytest.mark.parametrize("copy", [False, True])
def test_sorter__overwrites_nothing(tmp_path: Path, taken: list[Path], *, copy: bool) -> None:
    """A file of somebody else keeps its name and its bytes."""
    mine = tmp_path / "sorted" / "red" / "1.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    sorter = Sorter(tmp_path / "sorted", copy=copy)
    assert sorter.had_some
    sorter.show(QueryResult(str(taken[0]), answer("red")))
    assert everything(mine.parent) == {"1.png": b"mine", "1-2.png": b"picture 0"}


def test_sorter__a_relative_path_is_linked_from_anywhere(
    tmp_path: Path, taken: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links name the picture absolutely."""
    monkeypatch.chdir(tmp_path)
    Sorter(Path("sorted"), copy=False).show(QueryResult("a/1.png", answer("red")))
    monkeypatch.chdir("/")
    assert (tmp_path / "sorted/red/1.png").read_bytes() == b"picture 0"


def test_folder_name__is_safe_and_never_the_same_for_two() -> None:
    """No way out of the folder, no name that a file system refuses, no two labels in one."""
    labels = [
        "a/b",
        "a%2Fb",
        "../x",
        "a\\b",
        "a:b",
        ".a",
        "a.",
        "_unknown",
        "%5Funknown",
        "é" * 200,
    ]
    names = [folder_name(label) for label in [*labels, "é" * 199 + "e"]]
    assert names[0] == "a%2Fb"
    assert len(set(names)) == len(names)
    for name in names:
        assert "/" not in name
        assert name not in {".", "..", "_unknown", "_unsure"}
        assert len(name.encode()) <= 255
    assert folder_name("Bombus terrestris (male)") == "Bombus terrestris (male)"


def test_query__sorts_writes_and_prints_at_once(
    own_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """The options combine, and work the same through a service."""
    folder = tmp_path / "queries"
    folder.mkdir()
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(picture(colour, 77))
    wanted = {f"{colour}/{colour}.png": picture(colour, 77) for colour in sorted(COLOURS)}

    def asked(name: str, *more: str) -> str:
        file, into = tmp_path / f"{name}.csv", tmp_path / name
        options = ["--csv", file, "--sort-into", into, "--paths-only", "red"]
        ran = run("query", folder, *options, *more)
        assert (ran.code, ran.out) == (0, f"{folder}/red.png\n")
        assert f"3 images are in 3 folders of {into}" in ran.err
        assert everything(into) == wanted
        return file.read_text()

    here = asked("here")
    with own_gallery.open() as store, running(store, home=own_gallery.home) as service:
        assert asked("there", "--server", service.url) == here


def test_query__standard_input_cannot_be_sorted(
    gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """It is no file that could be linked."""
    ran = run("query", "-", "--sort-into", tmp_path / "sorted", stdin=picture("red", 1))
    assert ran.code == 2
    assert "standard input ('-') is none" in ran.err
    assert not (tmp_path / "sorted").exists()


def test_sorter__unsure_has_folders_of_its_own() -> None:
    """What is only perhaps a wasp does not lie among the wasps."""
    perhaps = replace(answer("wasp"), state="unsure")
    assert folder_of(perhaps) == Path("_unsure/wasp")
    assert folder_of(answer("wasp")) == Path("wasp")
    assert folder_of(answer(None, "wasp")) == Path("_unknown")
