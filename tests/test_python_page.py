"""docs/python.md: what it shows runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from demo import cells
from demo.weights import BACKBONE

PAGE = Path(__file__).parent.parent / "docs/python.md"
PICTURES = 8
"""Of each class: real ones, and few."""


@pytest.fixture
def reader(tmp_path: Path, lite0_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with pictures to add and one to ask about, and an encoder that needs no hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLOTYPE_BACKBONE", BACKBONE)
    monkeypatch.setenv("HOLOTYPE_CHECKPOINT", str(lite0_checkpoint))
    monkeypatch.setenv("HOLOTYPE_IMAGE_SIZE", "64")
    prepared = cells.prepare_cells(tmp_path / "cells")
    for folder in [*prepared.first.iterdir(), prepared.late]:
        (tmp_path / "train" / folder.name).mkdir(parents=True)
        for picture in sorted(folder.iterdir())[:PICTURES]:
            shutil.copy(picture, tmp_path / "train" / folder.name)
    query = min((prepared.held_out / "poly-functional").iterdir())
    shutil.copy(query, tmp_path / "query.png")


def test_python_page__every_block_runs(reader: None, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks, one after the other, as a reader would paste them."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        code = compile("\n" * line + block[1], str(PAGE), "exec")  # a traceback names the line
        exec(code, names)
    said = capsys.readouterr().out
    assert f"{4 * PICTURES} files, 0 failed" in said
    assert names["right"] > 85
    assert len(names["frame"]) == 300
    assert Path("digits.parquet").stat().st_size > 0
    assert names["answers"]["label"].notna().all()
    assert names["accuracy"] > 0.8 < names["grouped"]
