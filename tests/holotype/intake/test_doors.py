"""Text that looks the same is the same at every door, or refused at every door."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classify.service.models.references import NewLabel
from holotype.characters import alike, spellings, uniform
from holotype.errors import UsageError
from holotype.intake.manifest import Manifest
from holotype.intake.words import clean_group, clean_label, clean_meta
from holotype.references import Where, meta_key
from ingest.commands import read_assignments

texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
        st.sampled_from("ae \u00a0\u200b\u200d\u0301\u00ad\u202e\ufffd\n\r;,\t\"'"),
    ),
    min_size=1,
    max_size=12,
)


def _label(text: str) -> str | None:
    try:
        return clean_label(text)
    except UsageError:
        return None


def _by_api(text: str) -> str | None:
    try:
        return NewLabel(label=text).label
    except ValidationError:
        return None


def _rows(folder: Path, text: str) -> list[Path]:
    table = io.StringIO()
    rows = csv.writer(table, delimiter=";", lineterminator="\r\n")
    rows.writerows([["Path", " LABEL", "Group", "site"], ["a.png", text, text, text]])
    (folder / "m.csv").write_text(table.getvalue(), encoding="utf-8-sig", newline="")
    row = {"path": "a.png", "label": text, "group": text, "site": text}
    (folder / "m.jsonl").write_text(json.dumps(row))
    pq.write_table(pa.Table.from_pylist([row]), folder / "m.parquet")
    return [folder / "m.csv", folder / "m.jsonl", folder / "m.parquet"]


@settings(deadline=None, max_examples=60)
@given(texts)
def test_doors__agree_on_any_text(text: str) -> None:
    """Command line, API and all kinds of manifest give one label, group and value, or none."""
    label = _label(text)
    assert _by_api(text) == label
    with tempfile.TemporaryDirectory() as folder:
        for file in _rows(Path(folder), text):
            (found,) = Manifest(file)
            if label is None:
                assert found.verdict is not None, file
                continue
            assert found.verdict is None, file
            assert (found.label, found.group) == (label, clean_group(text)), file
            assert found.meta == clean_meta({"site": text}) == {"site": label}, file
    if label is not None:
        assert read_assignments([f"site={text}"]) == {"site": label}


@given(texts, texts)
def test_doors__a_filter_finds_what_looks_the_same(text: str, other: str) -> None:
    """However a value is written, its one spelling is among those looked for."""
    for key, name in (("label", "label"), (" site ", "meta.site"), ("meta.site", "meta.site")):
        found = Where.parse([f"{key}!={text}"]).by_key()
        assert list(found) == [(name, "!=")]
        assert uniform(text) in found[name, "!="]
    assert (text in alike(other, [text])) == (uniform(text) == uniform(other))
    label = _label(text)
    if label is not None:
        assert spellings(label) == (label,)


@given(st.lists(st.sampled_from(["Date", "site", "x1"]), min_size=1, max_size=3))
def test_doors__keys_are_spelled_alike(words: list[str]) -> None:
    """White space within a key becomes one sign, at every door."""
    key = "_".join(words)
    for written in (" ".join(words), "\u00a0 ".join(words), f" meta.{key}\u200b"):
        assert meta_key(written) == key
        assert clean_meta({written: "v"}) == {key: "v"}
        assert Where.parse([f"{written}=v"]) == Where.equal(f"meta.{key}", "v")
