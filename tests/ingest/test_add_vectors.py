"""`ingest add --vectors`: the door for vectors that come from elsewhere, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import holotype
from classify.service.command import bind, url_of
from holotype.fingerprint import Fingerprint
from holotype.settings import Settings
from holotype.store.factory import open_store
from tests.image_files import make_tree
from tests.ingest.conftest import Ingest
from tests.running import running

if TYPE_CHECKING:
    from tests.holotype.store.qdrant_http import QdrantHttp

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = ["a", "a", "b", "b", "c", "c"]
SPACE = ("--space", "my-encoder v3")


@pytest.fixture(params=["npz", "parquet"])
def vectors(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Six rows with every column, in each kind of file."""
    file = tmp_path / f"genes.{request.param}"
    columns: dict[str, Any] = {
        "vector": X,
        "label": np.array(LABELS),
        "id": np.array([f"gene {i}" for i in range(6)]),
        "group": np.array(["g", "", "h", "h", "", ""]),
        "meta": np.array([json.dumps({"site": "A"})] * 6),
        "year": np.array([2026.0, 2026.0, np.nan, 2025.0, 2025.0, 2025.0]),
    }
    if request.param == "npz":
        np.savez(file, **columns)
    else:
        meta = [{"site": "A"}] * 6
        table = {name: column.tolist() for name, column in columns.items()}
        pq.write_table(pa.table({**table, "meta": meta}), file)
    return file


def test_vectors__every_column_goes_in(ingest: Ingest, vectors: Path) -> None:
    """Labels, ids, groups and metadata come from the file; a second run adds nothing."""
    done = ingest("add", "--vectors", vectors, *SPACE, "--set", "lab=x")
    assert done.returncode == 0, done.stderr
    assert "6 references were added to gallery 'default'" in done.stderr
    listed = [json.loads(line) for line in ingest("list", "--json").stdout.splitlines()]
    assert sorted(one["label"] for one in listed) == LABELS
    assert {one["group"] for one in listed} == {"g", "h", None}
    assert all(one["meta"]["site"] == "A" and one["meta"]["lab"] == "x" for one in listed)
    years = sorted(one["meta"].get("year", "") for one in listed)
    assert years == ["", *["2025"] * 3, *["2026"] * 2]
    again = ingest("add", "--vectors", vectors)
    assert again.returncode == 0
    assert "6  already present" in again.stderr
    with holotype.open("default", space="my-encoder v3") as gallery:
        named = gallery.add_vectors(X, LABELS, ids=[f"gene {i}" for i in range(6)])
        assert {one.outcome for one in named} == {"already_present"}


def test_vectors__bad_rows_are_reported_and_stop_nothing(ingest: Ingest, tmp_path: Path) -> None:
    """Each row that cannot be used is a line with its number and reason, and exit code 3."""
    file, report = tmp_path / "bad.parquet", tmp_path / "report.jsonl"
    rows = [[1.0, 0.0], [1.0], [float("nan"), 1.0], [0.0, 0.0], [0.0, 1.0], [0.5, 0.5], None]
    pq.write_table(pa.table({"vector": rows, "label": ["a"] * 5 + [" "] + ["a"]}), file)
    done = ingest("add", "--vectors", file, *SPACE, "--report", report)
    assert done.returncode == 3, done.stderr
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert [one["outcome"] for one in told] == ["added", *["failed"] * 3, "added", *["failed"] * 2]
    for row, said in ((2, "has 1 numbers"), (3, "NaN"), (4, "all zeros"), (6, "label"), (7, "")):
        assert told[row - 1]["source"] == f"{file} row {row}"
        assert said in told[row - 1]["reason"]
        assert f"failed: {file} row {row}: " in done.stderr
    few = ingest("add", "--vectors", file, "--max-failures", "1")
    assert few.returncode == 1
    assert "given up: more than 1 files failed" in few.stderr


def test_vectors__dry_run_changes_nothing(ingest: Ingest, vectors: Path) -> None:
    """A dry run says what would be added, before and after there is a gallery, and makes none."""
    dry = ingest("add", "--vectors", vectors, *SPACE, "--dry-run")
    assert dry.returncode == 0
    assert "6  would add" in dry.stderr
    assert ingest("classes").returncode == 1
    ingest("add", "--vectors", vectors, *SPACE)
    assert "6  already present" in ingest("add", "--vectors", vectors, "--dry-run").stderr


def test_vectors__labels_conflict_as_those_of_files(ingest: Ingest, tmp_path: Path) -> None:
    """The same vector under another label is refused, or replaces it, as asked."""
    file = tmp_path / "v.npz"
    np.savez(file, vector=X, label=LABELS)
    ingest("add", "--vectors", file, *SPACE)
    np.savez(file, vector=X, label=["z", *LABELS[1:]])
    assert ingest("add", "--vectors", file).returncode == 3
    done = ingest("add", "--vectors", file, "--on-conflict", "replace")
    assert "1  relabelled" in done.stderr
    assert ingest("classes").stdout.split() == ["2", "b", "2", "c", "1", "a", "1", "z"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--vectors", "none.npz"), "no such file of vectors"),
        (("--vectors", "notes.txt"), "vectors come in a .parquet or .npz file"),
        (("--vectors", "torn.npz"), "cannot be read as arrays"),
        (("--vectors", "torn.parquet"), "cannot be read as Parquet"),
        (("--vectors", "lacks.npz"), "lacks the column 'label'; it has 'vector'"),
        (("--vectors", "uneven.npz"), "its arrays differ in length"),
        (("--vectors", "objects.npz"), "cannot be read as arrays without pickles"),
        (("--vectors", "good.npz", "--label", "a"), "leave out PATH, --label"),
        (("--space", "x", "."), "--space is the space of --vectors"),
    ],
)
def test_vectors__what_cannot_be_followed(
    ingest: Ingest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    """A file or an option that cannot be used ends the run with exit code 2 and says why."""
    monkeypatch.chdir(tmp_path)
    for name in ("notes.txt", "torn.npz", "torn.parquet"):
        Path(name).write_text("not what it says")
    np.savez("good.npz", vector=X, label=LABELS)
    np.savez("lacks.npz", vector=X)
    np.savez("uneven.npz", vector=X, label=LABELS[:3])
    np.savez("objects.npz", vector=X, label=np.array([{}] * 6))
    done = ingest("add", *arguments, *(() if "--space" in arguments else SPACE))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_vectors__gallery_that_is_not_there(ingest: Ingest, tmp_path: Path) -> None:
    """Vectors for a new gallery need the name of their space."""
    np.savez(tmp_path / "v.npz", vector=X, label=LABELS)
    done = ingest("add", "--vectors", tmp_path / "v.npz")
    assert done.returncode == 1
    assert "name the space of its vectors (--space" in done.stderr


def test_vectors__images_are_refused_in_one_sentence(
    ingest: Ingest, tmp_path: Path, vectors: Path
) -> None:
    """A folder for a gallery of vectors is told whose vectors it holds; no encoder is loaded."""
    ingest("add", "--vectors", vectors, *SPACE)
    root = make_tree(tmp_path / "t", {"bee": [1]})
    for options in ((), ("--dry-run",)):
        done = ingest("add", root, *options)
        assert done.returncode == 2
        assert "holds vectors of space 'my-encoder v3' with 4 numbers" in done.stderr
        assert "classify_vectors" in done.stderr


def test_vectors__on_a_qdrant_server(
    ingest: Ingest, vectors: Path, qdrant_http: QdrantHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server by its variable alone, and the same vectors are there once."""
    monkeypatch.setenv("HOLOTYPE_QDRANT_URL", qdrant_http.url)
    assert ingest("add", "--vectors", vectors, *SPACE).returncode == 0
    assert "6  already present" in ingest("add", "--vectors", vectors).stderr
    with holotype.open("default") as gallery:
        assert gallery.classes() == {"a": 2, "b": 2, "c": 2}
        assert gallery.classify_vectors(X, k=1).labels == LABELS


def test_vectors__through_a_service(ingest: Ingest, vectors: Path) -> None:
    """Where a service owns the gallery, the same command goes through it, dry or not."""
    listener = bind("127.0.0.1", 0)
    with (
        open_store(
            Settings.load(),
            fingerprint=Fingerprint.of_space("my-encoder v3", 4),
            command="classify serve",
            create=True,
            url=url_of(listener),
        ) as store,
        running(store, listener=listener),
    ):
        assert "6  would add" in ingest("add", "--vectors", vectors, "--dry-run").stderr
        assert store.count() == 0
        done = ingest("add", "--vectors", vectors, *SPACE)
        assert done.returncode == 0, done.stderr
        assert store.counts() == {"a": 2, "b": 2, "c": 2}
        assert "6  already present" in ingest("add", "--vectors", vectors).stderr
        other = ingest("add", "--vectors", vectors, "--space", "another")
        assert other.returncode == 1
        assert "not vectors of space 'another'" in other.stderr
