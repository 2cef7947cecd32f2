"""CSV, JSONL and Parquet manifests as a source of labelled pictures."""

from __future__ import annotations

import json
from datetime import date
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
    file = write(tmp_path, "csv", [{"path": "a.png", "label": "bee", "taken at": "x"}])
    with pytest.raises(UsageError, match="metadata key 'taken at' is malformed"):
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
        ("m.xlsx", b"x", "a manifest is a .csv, .jsonl or .parquet file"),
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
