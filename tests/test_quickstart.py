"""docs/quickstart.ipynb: it runs from its first cell to its plot, and is kept without output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

NOTEBOOK = Path(__file__).parent.parent / "docs/quickstart.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    """As they are stored."""
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return found


@pytest.fixture
def plots() -> Iterator[Any]:
    """Figures without a screen, closed at the end."""
    mpl.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.mark.timeout(900)
def test_quickstart__runs_to_its_plot(
    cells: list[dict[str, Any]], plots: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell in turn; what it tells of its pictures is true of them."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell in code[:-1]:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    names["figure"].savefig(tmp_path / "plot.png")
    exec(compile("".join(code[-1]["source"]), code[-1]["id"], "exec"), names)

    late = names["LATE_CLASS"]
    assert {str(one.outcome) for one in names["outcomes"]} == {"added"}
    assert late not in names["before"].labels
    assert names["after"].labels.count(late) > len(names["late"]) / 2
    assert names["right"].mean() > 0.7 < names["accuracy"].mean()
    assert set(names["references"].labels) == set(np.unique(names["truth"]))
    assert len(names["drawer"].collections) == 4
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    assert not names["folder"].exists()


def test_quickstart__is_kept_without_output(cells: list[dict[str, Any]]) -> None:
    """No picture of the set is passed on, and nothing tells of a machine."""
    for cell in cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert not re.search(r"/(home|root|tmp|work|Users)/", "".join(cell["source"]))
