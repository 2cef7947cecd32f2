"""`curate map` on a gallery that nobody owns, and through a service."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate import cli
from holotype.references import Where
from holotype.store.port import VectorStore
from tests.references import Pictures
from tests.running import running

Curate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def curate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Curate:
    """Runs the command in this process, as the console script does: exit code, output, errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["curate", *arguments])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_map__as_a_file_for_other_viewers(
    curate: Curate, store: VectorStore, pictures: Pictures, tmp_path: Path
) -> None:
    """A row a reference, in a file; what comes later is told; a folder that is not there, too."""
    grouped = pictures.embedded("ant-9", "ant", group="slide 1")
    store.add([*pictures.many("bee", 5), *pictures.many("ant", 5), grouped])
    existing = store.existing([grouped.reference.id])
    store.close()
    file = tmp_path / "map.parquet"
    code, out, _ = curate("map", "--parquet", str(file), "--neighbours", "3")
    assert code == 0
    assert "11 references of 2 classes are on the map" in out
    assert "`classify serve`" in out
    rows = {row["id"]: row for row in pq.read_table(file).to_pylist()}
    assert len(rows) == 11
    row = rows[grouped.reference.id]
    assert existing == {grouped.reference.id: row["label"]}
    assert (row["label"], row["group"]) == ("ant", "slide 1")
    assert len(row["neighbours"]) == 3
    assert set(row["neighbours"]) <= set(rows) - {row["id"]}
    assert max(abs(row[axis]) for row in rows.values() for axis in "xy") <= 1
    code, _, err = curate("map", "--parquet", str(tmp_path / "nowhere" / "map.parquet"))
    assert code == 1
    assert "cannot write the map to" in err


def test_map__of_nothing(curate: Curate, store: VectorStore) -> None:
    """A word, and what to do."""
    assert store.count() == 0
    store.close()
    code, out, err = curate("map")
    assert (code, out) == (1, "")
    assert "add some with `ingest add` first" in err


def test_map__through_a_service(curate: Curate, store: VectorStore, pictures: Pictures) -> None:
    """The same map, kept where the command is; the way to the service's page is told."""
    store.add([*pictures.many("bee", 9), *pictures.many("ant", 9)])
    with running(store) as service:
        code, out, _ = curate("map", "--server", service.url, "--json", "--neighbours", "0")
        assert code == 0
        first = json.loads(out)
        assert first["gallery"] == store.gallery
        assert len(first["x"]) == 18
        store.add(pictures.many("cat", 2))
        store.remove(where=Where.equal("label", "bee"))
        code, out, _ = curate("map", "--server", service.url)
    assert code == 0
    assert "11 references of 2 classes are on the map, 2 of them put beside" in out
    assert f"look at it at {service.url}/#/curate/map" in out
