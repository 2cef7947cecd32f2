"""docs/python.md: what it shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs/python.md"


def test_python_page__every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks, one after the other, as a reader would paste them."""
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    assert blocks
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        code = compile("\n" * line + block[1], str(PAGE), "exec")  # a traceback names the line
        exec(code, names)
    assert names["accuracy"] > 0.8 < names["grouped"]  # type: ignore[operator]
