"""CSV, JSONL and Parquet manifests as a source of labelled pictures."""

from __future__ import annotations

import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holotype.errors import UsageError
from holotype.intake.groups import parse_group
from holotype.intake.incoming import Incoming
from holotype.intake.manifest import Manifest

ROWS: list[dict[str, Any]] = [
    {"path": "a.png", "label": "bee", "group": "g1", "site": "roof", "year": 2024},
    {"path": "sub/b.png", "label": "wasp", "group": None, "site": None, "year": 2025},
]


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    """The rows as a manifest of this kind."""
    file = folder / f"m.{kind}"
    if kind == "csv":
        columns = list(rows[0])
        lines = [columns, *([_cell(row.get(c)) for c in columns] for row in rows)]
        file.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8-sig")
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)
    return file


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def reasons(found: Manifest) -> list[str | None]:
    """Why each row failed; None where it did not."""
    return [item.verdict.reason if item.verdict else None for item in found]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifest__reads_every_kind_alike(tmp_path: Path, kind: str) -> None:
    """Paths are relative to the manifest, empty values are left out, numbers become text."""
    first, second = Manifest(write(tmp_path, kind, ROWS))
    assert first == Incoming(
        source=str(tmp_path / "a.png"),
        label="bee",
        group="g1",
        meta={"site": "roof", "year": "2024"},
        file=str(tmp_path / "a.png"),
    )
    assert second.path == tmp_path / "sub" / "b.png"
    assert (second.group, second.meta) == (None, {"year": "2025"})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_manifest__a_missing_column_is_named(tmp_path: Path, kind: str) -> None:
    """Nothing is done where the manifest cannot work."""
    file = write(tmp_path, kind, [{"file": "a.png", "label": "bee"}])
    with pytest.raises(UsageError, match="lacks the column 'path'; it has 'file', 'label'"):
        Manifest(file)


def test_manifest__a_column_that_cannot_be_metadata_is_named(tmp_path: Path) -> None:
    """A malformed key would fail on every row, so it is said once, before."""
    file = write(tmp_path, "csv", [{"path": "a.png", "label": "bee", "H\u00f6he (m)": "x"}])
    with pytest.raises(UsageError, match=r"m\.csv: metadata key 'H\u00f6he \(m\)' is malformed"):
        Manifest(file)


def test_manifest__bad_csv_rows_are_named_by_line(tmp_path: Path) -> None:
    """A row without label or path, with too many values, or with an unprintable label fails."""
    file = tmp_path / "m.csv"
    file.write_text("path,label\na.png,bee\n,bee\nb.png\nc.png,bee,more\n\nd.png,\x07\n")
    assert reasons(Manifest(file)) == [
        None,
        "line 3 of m.csv: it has no path",
        "line 4 of m.csv: it has no label",
        "line 5 of m.csv: it has 3 values for 2 columns",
        "line 7 of m.csv: the label '\\x07' holds characters that cannot be printed",
    ]


def test_manifest__a_torn_quote_fails_its_row(tmp_path: Path) -> None:
    """A quote that is never closed is reported, not guessed at."""
    file = tmp_path / "m.csv"
    file.write_text('path,label\na.png,bee\n"b.png,bee\n')
    assert reasons(Manifest(file)) == [
        None,
        "line 3 of m.csv: it cannot be read as CSV: unexpected end of data",
    ]


def test_manifest__bad_jsonl_rows_are_named_by_line(tmp_path: Path) -> None:
    """A line that is no JSON object, or holds a list, fails alone."""
    file = tmp_path / "m.jsonl"
    file.write_text(
        '{"path": "a.png", "label": "bee", "wild": true}\n{"path"\n[1]\n'
        '{"path": "b.png", "label": "bee", "tags": ["x"]}\n{"label": "bee"}\n'
    )
    found = Manifest(file)
    assert next(iter(found)).meta == {"wild": "true"}
    said = reasons(found)
    assert said[0] is None
    assert "line 2 of m.jsonl: it is not JSON" in (said[1] or "")
    assert said[2:] == [
        "line 3 of m.jsonl: it is not a JSON object",
        "line 4 of m.jsonl: tags is ['x']: text, a number, a date or true/false is needed",
        "line 5 of m.jsonl: it has no path",
    ]


def test_manifest__parquet_types_become_text(tmp_path: Path) -> None:
    """Dates, truth values and numbers are text; NaN is no value."""
    row = {
        "path": "a",
        "label": "b",
        "d": date(2024, 5, 1),
        "t": False,
        "n": float("nan"),
        "f": 0.5,
    }
    [found] = Manifest(write(tmp_path, "parquet", [row]))
    assert found.meta == {"d": "2024-05-01", "t": "false", "f": "0.5"}


def test_manifest__a_row_counts_more_than_the_command_line(tmp_path: Path) -> None:
    """`--set` and `--group` fill in what a row does not say itself."""
    file = write(tmp_path, "csv", ROWS)
    found = Manifest(file, group=parse_group("folder"), meta={"site": "lab", "by": "me"})
    first, second = found
    assert (first.group, first.meta["site"], first.meta["by"]) == ("g1", "roof", "me")
    assert (second.group, second.meta["site"]) == ("sub", "lab")


def test_manifest__an_absolute_path_stays(tmp_path: Path) -> None:
    """Only relative paths are relative to the manifest."""
    file = write(tmp_path, "csv", [{"path": "/x/a.png", "label": "bee"}])
    [found] = Manifest(file)
    assert found.path == Path("/x/a.png")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "no such manifest: .*gone.csv"),
        ("m.xlsx", b"x", "a manifest is a .csv, .tsv, .jsonl, .parquet or .json file"),
        ("m.parquet", b"no parquet", "cannot be read as Parquet"),
        ("m.csv", b"", "lacks the column 'path' and the column 'label'; it has none"),
    ],
)
def test_manifest__that_cannot_be_read_is_a_usage_error(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """A missing, foreign, damaged or empty file is said before anything is done."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        Manifest(tmp_path / name)


def test_manifest__many_rows_are_counted_across_batches(tmp_path: Path) -> None:
    """Row numbers go on where Parquet is read piece by piece."""
    rows = [{"path": f"{n}.png", "label": "bee"} for n in range(2500)]
    rows[2400]["label"] = ""
    found = Manifest(write(tmp_path, "parquet", rows))
    assert [said for said in reasons(found) if said] == ["row 2401 of m.parquet: it has no label"]


@pytest.mark.parametrize(
    ("kind", "label"), [("csv", "7"), ("jsonl", 7), ("parquet", 7), ("jsonl", 7.5), ("jsonl", True)]
)
def test_manifest__a_label_that_is_a_number_is_its_text(
    tmp_path: Path, kind: str, label: Any
) -> None:
    """Plate 7 is a class like any other, whichever way the file spells numbers."""
    [found] = Manifest(write(tmp_path, kind, [{"path": "a.png", "label": label}]))
    assert found.label == {7: "7", 7.5: "7.5", True: "true", "7": "7"}[label]
    assert found.verdict is None


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifest__an_empty_label_fails_its_row(tmp_path: Path, kind: str) -> None:
    """Missing, empty and blank: the row is named, and the others go on."""
    rows: list[dict[str, Any]] = [
        {"path": "a.png", "label": None},
        {"path": "b.png", "label": ""},
        {"path": "c.png", "label": "  "},
        {"path": "d.png", "label": " bee "},
    ]
    found = list(Manifest(write(tmp_path, kind, rows)))
    said = [(item.verdict.reason or "").partition(": ")[2] for item in found if item.verdict]
    assert said == ["it has no label", "it has no label", "the label is empty"]
    assert [item.label for item in found] == ["", "", "", "bee"]
    assert found[0].source == str(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_manifest__a_byte_order_mark_is_no_text(tmp_path: Path, kind: str) -> None:
    """Spreadsheets and some editors put one in front."""
    lines = {"csv": "path,label\na.png,bee\n", "jsonl": '{"path": "a.png", "label": "bee"}\n'}
    file = tmp_path / f"m.{kind}"
    file.write_bytes(b"\xef\xbb\xbf" + lines[kind].encode())
    [found] = Manifest(file)
    assert (found.label, found.path) == ("bee", tmp_path / "a.png")


def test_manifest__paths_are_relative_to_it_wherever_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the manifest is named by a relative path, and a row leads out of its folder."""
    (tmp_path / "lists").mkdir()
    rows = [{"path": "a.png", "label": "bee"}, {"path": "../raw/b.png", "label": "bee"}]
    write(tmp_path / "lists", "csv", rows)
    monkeypatch.chdir(tmp_path)
    found = Manifest(Path("lists/m.csv"))
    assert [item.file for item in found] == ["lists/a.png", "lists/../raw/b.png"]
    monkeypatch.chdir(tmp_path / "lists")
    assert [item.file for item in Manifest(Path("m.csv"))] == ["a.png", "../raw/b.png"]


def test_manifest__the_same_row_twice_comes_twice(tmp_path: Path) -> None:
    """What becomes of the second one is decided where the first one is known."""
    row = {"path": "a.png", "label": "bee"}
    first, second = Manifest(write(tmp_path, "csv", [row, row]))
    assert first == second
    assert Manifest(write(tmp_path, "csv", [row, row])).count() == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifest__an_expression_that_does_not_match_fails_its_row(
    tmp_path: Path, kind: str
) -> None:
    """Only where the row has no group of its own, and the row is named."""
    rows: list[dict[str, Any]] = [
        {"path": "slide1/a.png", "label": "bee", "group": None},
        {"path": "b.png", "label": "bee", "group": None},
        {"path": "c.png", "label": "bee", "group": "own"},
    ]
    found = list(Manifest(write(tmp_path, kind, rows), group=parse_group(r"re:/(slide\d)/")))
    assert [item.group for item in found] == ["slide1", None, "own"]
    [bad] = [item.verdict.reason or "" for item in found if item.verdict]
    assert bad.endswith(f"m.{kind}: --group: '/(slide\\\\d)/' does not match this path")


def test_manifest__text_that_cannot_be_stored_fails(tmp_path: Path) -> None:
    """Half characters and zero bytes end no run."""
    file = tmp_path / "m.jsonl"
    rows = [
        r'{"path": "a\u0000.png", "label": "bee"}',
        r'{"path": "\ud83d.png", "label": "bee"}',
        r'{"path": "a.png", "label": "bee", "note": "\ud83d"}',
        "[" * 100_000,
        r'{"path": "a.png", "label": "bee"}',
    ]
    file.write_text("\n".join(rows))
    said = reasons(Manifest(file))
    assert said[0] == "line 1 of m.jsonl: its path holds a zero byte, which no path can"
    assert said[1] == "line 2 of m.jsonl: its path '\\ud83d.png' is no text"
    assert said[2] == "line 3 of m.jsonl: its note '\\ud83d' is no text"
    assert "line 4 of m.jsonl: it is not JSON" in (said[3] or "")
    assert said[4] is None


def test_manifest__another_encoding_is_refused_row_by_row(tmp_path: Path) -> None:
    """No other text is stored in its place; what it may have meant is shown, with the remedy."""
    file = tmp_path / "m.csv"
    file.write_bytes(
        b"path,label,site\na.png,croton,Z\xfcrich\nb.png,K\xe4fer,\nc.png,bee,Bern\nd\xe9.png,bee,\n"
    )

    def refused(line: int, column: str, shown: str, guess: str) -> str:
        return (
            f"line {line} of m.csv: its {column} {shown!r} is not UTF-8 (in Windows-1252 it is "
            f"{guess!r}): save the manifest as UTF-8 (in Excel: 'CSV UTF-8')"
        ).replace("\\\\", "\\")

    assert reasons(Manifest(file)) == [
        refused(2, "site", r"Z\xfcrich", "Zürich"),
        refused(3, "label", r"K\xe4fer", "Käfer"),
        None,
        refused(5, "path", r"d\xe9.png", "dé.png"),
    ]


def test_manifest__letters_that_were_lost_before_are_refused(tmp_path: Path) -> None:
    """A file that some program read in the wrong encoding and saved again."""
    file = tmp_path / "m.csv"
    file.write_text("path,label,site\na.png,K\ufffdfer,\nb.png,bee,Z\ufffdrich\n", encoding="utf-8")
    said = reasons(Manifest(file))
    assert "the label 'K\ufffdfer' holds U+FFFD, which stands for a letter that was lost" in (
        said[0] or ""
    )
    assert "the value of 'site' 'Z\ufffdrich' holds U+FFFD" in (said[1] or "")


def test_manifest__a_path_that_is_no_utf8_finds_its_file(tmp_path: Path) -> None:
    """Names of files are bytes: what is on the disk under these bytes is meant."""
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such names")
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"path,label\ncaf\xe9.png,bee\n")
    [found] = Manifest(latin)
    assert found.source == str(tmp_path / r"caf\xe9.png")
    assert os.fsencode(found.file or "").endswith(b"caf\xe9.png")


@pytest.mark.parametrize(
    ("on_disk", "listed"),
    [
        ("Ka\u0308fer.png", "K\u00e4fer.png"),
        ("K\u00e4fer.png", "Ka\u0308fer.png"),
        ("a b.png", "a\u00a0b.png"),
        ("a\u00a0 b.png", " a b.png "),
        ("Ka\u0308fer/x.png", "./K\u00e4fer/x.png"),
        ("K\u00e4fer/x.png", "Ka\u0308fer\\x.png"),
    ],
)
def test_manifest__a_path_finds_its_file_in_another_spelling(
    tmp_path: Path, on_disk: str, listed: str
) -> None:
    """A list from another machine names what looks the same; the file keeps its own name."""
    (tmp_path / on_disk).parent.mkdir(exist_ok=True)
    (tmp_path / on_disk).write_bytes(b"")
    [found] = Manifest(write(tmp_path, "jsonl", [{"path": listed, "label": "bee"}]))
    assert found.file == str(tmp_path / on_disk)
    assert found.source == str(tmp_path / on_disk)


def test_manifest__a_path_that_could_be_two_files_is_neither(tmp_path: Path) -> None:
    """Where names differ in spelling alone, only the exact one is taken."""
    for name in ("K\u00e4fer.png", "Ka\u0308fer.png"):
        (tmp_path / name).write_bytes(b"")
    rows = [{"path": p, "label": "x"} for p in ("K\u00e4fer.png", "K\u00e4\u00adfer.png")]
    exact, unclear = Manifest(write(tmp_path, "jsonl", rows))
    assert exact.file == str(tmp_path / "K\u00e4fer.png")
    assert not Path(unclear.file or "").exists()


@pytest.mark.parametrize(
    ("text", "meta", "notices"),
    [
        (",path,label\n0,a.png,bee\n1,b.png,bee\n", {}, ["1 column without a name left out"]),
        (
            "path,label,,\na.png,bee,,\nb.png,bee,,\n,,,\n",
            {},
            ["2 columns without a name left out"],
        ),
        (
            "Unnamed: 0,path,label\n0,a.png,bee\n1,b.png,bee\n",
            {},
            ["1 column without a name left out"],
        ),
        ("path, label\na.png, bee\nb.png, bee\n", {}, []),
        ("PATH,La Bel\na.png,bee\nb.png,bee,,\n", {}, []),
        (
            "path,label,Date collected\na.png,bee,2024-05-01\nb.png,bee,2024-05-01\n",
            {"Date_collected": "2024-05-01"},
            ["the column 'Date collected' is the metadata key 'Date_collected'"],
        ),
        (
            "path,label,source\na.png,bee,lab\nb.png,bee,lab\n",
            {"source": "lab"},
            [
                "the column 'source' is metadata: filter by meta.source=..., since source=... asks "
                "for something else"
            ],
        ),
        ("path;label;site\r\na.png;bee;x,y\r\nb.png;bee;x,y\r\n", {"site": "x,y"}, []),
        ("path\tlabel\na.png\tbee\nb.png\tbee\n", {}, []),
        ("sep=;\npath;label\na.png;bee\nb.png;bee\n", {}, []),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_manifest__as_spreadsheets_write_it(
    tmp_path: Path, text: str, meta: dict[str, str], notices: list[str], encoding: str
) -> None:
    """Nameless columns, empty ends, spaces, capitals, semicolons, tabs, byte order marks."""
    (tmp_path / "m.csv").write_text(text, encoding=encoding)
    found = Manifest(tmp_path / "m.csv")
    assert [(item.label, item.meta, item.verdict) for item in found] == 2 * [("bee", meta, None)]
    assert [item.path for item in found] == [tmp_path / "a.png", tmp_path / "b.png"]
    assert list(found.notices) == notices


def test_manifest__line_numbers_count_the_separator_line(tmp_path: Path) -> None:
    """A row is found where an editor shows it."""
    (tmp_path / "m.csv").write_text("sep=;\npath;label\na.png;\n")
    assert reasons(Manifest(tmp_path / "m.csv")) == ["line 3 of m.csv: it has no label"]


def test_manifest__pandas_index_and_floats_in_parquet(tmp_path: Path) -> None:
    """An index without a name is nobody's metadata; a whole number is written as one."""
    table = pa.table(
        {
            "__index_level_0__": [3, 7],
            "path": ["a.png", "b.png"],
            "label": pa.array([7.0, 7.5], pa.float64()),
            "Year": pa.array([2020.0, None], pa.float64()),
            "cost": [Decimal("3.00"), Decimal("3.50")],
            "far": [1e300, -0.0],
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    first, second = Manifest(tmp_path / "m.parquet")
    assert (first.label, second.label) == ("7", "7.5")
    assert first.meta == {"Year": "2020", "cost": "3", "far": "1e+300"}
    assert second.meta == {"cost": "3.50", "far": "0"}


def test_manifest__text_stays_text(tmp_path: Path) -> None:
    """A label that looks like a value is what is written there."""
    names = ["nan", "NA", "None", "null", "true", "007", "1e5", "-1", "7.0"]
    (tmp_path / "m.csv").write_text("path,label\n" + "".join(f"{n}.png,{n}\n" for n in names))
    assert [item.label for item in Manifest(tmp_path / "m.csv")] == names


def test_manifest__columns_of_whole_numbers_in_text(tmp_path: Path) -> None:
    """What pandas made floats of goes in as it was; a column with any other number stays text."""
    (tmp_path / "m.csv").write_text(
        "path,label,year,version,empty\na.png,7.0,2020.0,1.0,\nb.png,7.0,,1.1,\nc.png,8.0,-5.0\n"
    )
    found = Manifest(tmp_path / "m.csv")
    assert [item.label for item in found] == ["7", "7", "8"]
    assert [dict(item.meta) for item in found] == [
        {"year": "2020", "version": "1.0"},
        {"version": "1.1"},
        {"year": "-5"},
    ]
    assert found.notices == (
        "the column 'label' holds whole numbers: they go in without '.0'",
        "the column 'year' holds whole numbers: they go in without '.0'",
    )


def test_manifest__keys_of_json_rows_are_spelled_alike(tmp_path: Path) -> None:
    """Every row may have other keys; two that are one key are named."""
    rows: list[dict[str, Any]] = [
        {" Path": "a.png", "LABEL": "bee", "": 1, "meta.site": "roof"},
        {"path": "b.png", "label": "bee", "Label ": "wasp"},
    ]
    found = Manifest(write(tmp_path, "jsonl", rows))
    first, second = found
    assert (first.label, first.meta, first.path) == ("bee", {"site": "roof"}, tmp_path / "a.png")
    assert second.verdict is not None
    assert second.verdict.reason == "line 3 of m.jsonl: has the column 'label' twice"
    assert found.notices == ("1 column without a name left out",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label,label\n", "has the column 'label' twice"),
        (b'"path,label\n', "its first line cannot be read as CSV: unexpected end of data"),
        ("path,label\n".encode("utf-16-le"), "holds zero bytes, so it is not UTF-8: save the"),
        ("path,label\na,b\n".encode("utf-16")[:-1], "is damaged UTF-16: .* save the manifest as"),
        ("path,label,H\u00f6he\n".encode("cp1252"), "names of its columns are not UTF-8: save"),
        (b"Path, LABEL,label\n", "has the column 'label' twice"),
    ],
)
def test_manifest__a_first_line_that_makes_no_sense_is_a_usage_error(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """A doubled column, a torn quote, another encoding: said before anything is done."""
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        Manifest(tmp_path / "m.csv")


def test_manifest__a_damaged_parquet_file_ends_with_its_name(tmp_path: Path) -> None:
    """Where the columns can be read and the rows cannot."""
    rows = [{"path": f"{n}-{n**7}.png", "label": "bee"} for n in range(2500)]
    file = write(tmp_path, "parquet", rows)
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(UsageError, match=r"m\.parquet cannot be read as Parquet: "):
        list(Manifest(file))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifest__too_many_columns(tmp_path: Path, kind: str) -> None:
    """Each would be an index of the gallery: nothing is done, and the setting is named."""
    wide = ROWS[0] | {f"c{n}": "x" for n in range(5)}
    file = write(tmp_path, kind, [wide])
    with pytest.raises(UsageError, match="7 columns of metadata") as refused:
        Manifest(file, max_meta_keys=4)
    assert str(refused.value).endswith(
        "a gallery may have 4 metadata keys (HOLOTYPE_MAX_META_KEYS), since each is an index: "
        "there is no room for 'c2', 'c3', 'c4'. Leave out what nobody filters by"
    )
    assert len(list(Manifest(file, max_meta_keys=7))) == 1
