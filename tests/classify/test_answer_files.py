"""`classify query --csv`, `--parquet` and `--paths-only`: answers that one can take away."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from classify.answer_files import COLUMNS, answers_to_csv, row_of
from classify.answering.answers import QueryResult
from classify.commands import _path_line
from holotype.store.port import VectorStore
from tests.classify.answers import answer
from tests.classify.conftest import COLOURS, ColourGallery, Run, picture


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """A picture of each colour, and a file that is no picture."""
    folder = tmp_path / "queries"
    folder.mkdir()
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(picture(colour, 77))
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def rows(file: Path) -> list[dict[str, str]]:
    """A CSV file as its rows."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_csv__a_row_a_query(gallery: ColourGallery, run: Run, queries: Path) -> None:
    """Every query has its row, in order; the answers are those of --json, and not printed."""
    file = queries.parent / "out.csv"
    ran = run("query", queries, "--csv", file)
    assert (ran.code, ran.out) == (3, "")
    assert f"the answers are in {file}" in ran.err
    assert [path.name for path in queries.parent.iterdir() if ".part" in path.name] == []
    found = rows(file)
    assert list(found[0]) == list(COLUMNS)
    assert [Path(row["path"]).name for row in found] == sorted(p.name for p in queries.iterdir())
    said = {line["query"]: line for line in run("query", queries, "--json").lines}
    for row in found[:-1]:
        answer = said[row["path"]]
        second = answer["runners_up"][0] if answer["runners_up"] else None
        assert (row["label"], row["state"]) == (answer["label"], "answered")
        assert float(row["score"]) == answer["score"]
        assert row["runner_up"] == (second["label"] if second else "")
        assert row["nearest_reference"] == answer["neighbours"][0]["source"]
        assert row["nearest_label"] == answer["neighbours"][0]["label"]
        assert row["problem"] == ""
    torn = found[-1]
    assert torn["problem"] == said[torn["path"]]["error"]
    assert (torn["label"], torn["state"], torn["score"]) == ("", "", "")


def test_parquet__the_same_with_types(gallery: ColourGallery, run: Run, queries: Path) -> None:
    """Numbers are numbers, and what is missing is null."""
    file, text = queries.parent / "out.parquet", queries.parent / "out.csv"
    assert run("query", queries, "--parquet", file, "--csv", text, "--json").lines
    table = pq.read_table(file)
    assert [str(field.type) for field in table.schema] == [
        {str: "string", float: "double"}[kind] for kind in COLUMNS.values()
    ]
    written = [
        {k: "" if v is None else str(v) for k, v in row.items()} for row in table.to_pylist()
    ]
    assert written == rows(text)
    assert table["label"].to_pylist()[-1] is None


def test_row__unknown_names_what_it_looks_most_like() -> None:
    """An unknown query has no label; its runner-up is the most probable one."""
    row = row_of(QueryResult("a.png", answer(None, "red", "blue", score=0.8, head="v1")))
    assert (row["label"], row["state"]) == (None, "unknown")
    assert (row["runner_up"], row["runner_up_score"], row["head"]) == ("red", 0.4, "v1")


@pytest.mark.parametrize("name", ["=1+2", "+1", "-1", "@x", "\t=1"])
def test_csv__no_cell_is_a_formula(tmp_path: Path, name: str) -> None:
    """What a spreadsheet would run has an apostrophe in front, and numbers have none."""
    with answers_to_csv(tmp_path / "out.csv") as show:
        show(QueryResult(name, problem="-no"))
    (row,) = rows(tmp_path / "out.csv")
    assert (row["path"], row["problem"]) == (f"'{name}", "'-no")


def test_csv__an_interrupted_run_is_not_taken_for_a_whole_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of the run before stays; the rows that were done are beside it, and said."""
    file = tmp_path / "out.csv"
    file.write_text("before\n")

    def until_interrupted() -> None:
        with answers_to_csv(file) as show:
            show(QueryResult("a.png", problem="no picture"))
            assert "a.png" in (tmp_path / "out.csv.part").read_text()  # at once: a kill keeps it
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        until_interrupted()
    assert file.read_text() == "before\n"
    assert [row["path"] for row in rows(tmp_path / "out.csv.part")] == ["a.png"]
    assert f"the answers until then are in {file}.part" in capsys.readouterr().err


def test_csv__nothing_to_answer_from_leaves_no_file(
    empty_gallery: ColourGallery, run: Run, queries: Path
) -> None:
    """Neither a file nor a part of one, where nothing could be answered."""
    ran = run("query", queries, "--csv", queries.parent / "out.csv")
    assert ran.code == 1
    assert list(queries.parent.glob("out*")) == []


def test_csv__a_folder_that_is_not_there_is_said_first(
    gallery: ColourGallery, run: Run, queries: Path
) -> None:
    """Before anything is classified."""
    ran = run("query", queries, "--csv", "nowhere/out.csv", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no folder nowhere" in ran.err


def test_paths_only__for_pipes(gallery: ColourGallery, run: Run, queries: Path) -> None:
    """The paths of one label, a line each, or ended by zero bytes, whatever their bytes are."""
    odd = Path(os.fsdecode(os.fsencode(queries) + b"/caf\xe9\nx.png"))
    odd.write_bytes(picture("red", 78))
    ran = run("query", queries / "red.png", queries / "blue.png", "--paths-only", "red")
    assert ran.out == f"{queries}/red.png\n"
    listed = b"\0".join(os.fsencode(p) for p in (odd, queries / "green.png")) + b"\0"
    (queries.parent / "list").write_bytes(listed)
    ran = run("query", "--from-list", queries.parent / "list", "--paths-only", "red", "-0")
    assert ran.out.encode("utf-8", "surrogateescape").count(b"\0") == 1
    assert "x.png\0" in ran.out


@pytest.mark.parametrize("wanted", ["red", "_unsure", "_unknown"])
def test_paths_only__takes_the_names_of_the_sorted_folders(
    store: VectorStore, capfd: pytest.CaptureFixture[str], wanted: str
) -> None:
    """A label is what was answered so; unsure and unknown queries have a word each."""
    show = _path_line(wanted, store, end=b"\n")
    show(QueryResult("red", answer("red")))
    show(QueryResult("_unsure", replace(answer("red"), state="unsure")))
    show(QueryResult("_unknown", answer(None, "red")))
    show(QueryResult("torn", problem="no picture"))
    assert capfd.readouterr().out == f"{wanted}\n"


def test_paths_only__a_label_that_is_none(gallery: ColourGallery, run: Run, queries: Path) -> None:
    """A slip of the pen is no empty answer: the nearest label is named."""
    ran = run("query", queries, "--paths-only", "gren")
    assert (ran.code, ran.out) == (1, "")
    assert "has the label 'gren': did you mean 'green'?" in ran.err


def test_from_list__reads_paths_from_standard_input(
    gallery: ColourGallery, run: Run, queries: Path
) -> None:
    """One path a line, taken as they are: no patterns; what is not there is named."""
    listed = f"{queries}/red.png\r\n\n{queries}/[x].png\n{queries}/blue.png\n"
    ran = run("query", "--from-list", "-", "--json", stdin=listed.encode())
    assert [line["label"] if not line["error"] else line["error"] for line in ran.lines] == [
        "red",
        "the file does not exist",
        "blue",
    ]
    assert ran.code == 3


def test_stdin__is_read_once(gallery: ColourGallery, run: Run) -> None:
    """A picture and a list cannot both come from it."""
    ran = run("query", "-", "--from-list", "-")
    assert ran.code == 2
    assert "can be read only once" in ran.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--json", "--paths-only", "red"], "name one"),
        (["-0"], "name the label"),
        (["--copy"], "name the folder"),
    ],
)
def test_options__that_do_not_fit(
    gallery: ColourGallery, run: Run, queries: Path, options: list[str], said: str
) -> None:
    """Refused before anything is classified."""
    ran = run("query", queries, *options)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
