"""Damaged pictures of every format through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.torture.damaged import damaged
from tests.ingest.conftest import Ingest


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
def test_damaged__every_file_has_an_outcome(ingest: Ingest, images: Path, tmp_path: Path) -> None:
    """Whatever two hundred files hold, the run ends, and each is taken or named with its reason."""
    for name, data in damaged(200, seed=2):
        (images / f"{name}.png").write_bytes(data)
    report = tmp_path / "report.jsonl"
    done = ingest("add", images, "--label", "any", "--dry-run", "--report", report)
    assert done.returncode == 3
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert {Path(line["source"]).name for line in told} == {file.name for file in images.iterdir()}
    assert {line["outcome"] for line in told} == {"would_add", "broken"}
