"""`curate classes`: the same table from a store and through a service."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from curate import cli
from holotype.store.port import VectorStore
from tests.head.conftest import Clouds
from tests.references import Pictures
from tests.running import running

Curate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def curate(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Curate:
    """Runs the command line in this process; gives exit code, standard output and error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["curate", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def fill(store: VectorStore, pictures: Pictures, **sizes: int) -> None:
    """Clouds that lie far apart."""
    store.add(Clouds(pictures.dimension, spread=0.05).references(sizes, pictures))


def test_classes__for_people_and_for_programs(
    curate: Curate, open_store: Callable[..., VectorStore], pictures: Pictures, tmp_path: Path
) -> None:
    """A table, a sum on standard error; lines of JSON and a CSV file with the same figures."""
    with open_store() as store:
        fill(store, pictures, ant=30, bee=12, wasp=3)
        store.add([pictures.embedded("odd", "=odd")])
    code, out, err = curate("classes", "--sort", "size")
    rows = [line.split() for line in out.splitlines()]
    assert code == 0
    assert [row[0] for row in rows] == ["class", "=odd", "wasp", "bee", "ant"]
    assert rows[4][1:3] == ["30", "100%"]
    assert rows[4][-1] == "enough"
    assert " ".join(rows[2][-4:]) == "too few to say"
    assert err.startswith("4 classes: ")
    assert "2 with too few to say" in err
    file = tmp_path / "classes.csv"
    code, out, _ = curate("classes", "--json", "--csv", file, "--sort", "size")
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["label"] for one in told] == ["=odd", "wasp", "bee", "ant"]
    assert told[0]["recall"] is None
    with file.open(encoding="utf-8", newline="") as lines:
        written = list(csv.DictReader(lines))
    assert [row["label"] for row in written] == ["'=odd", "wasp", "bee", "ant"]
    assert float(written[3]["low"]) == pytest.approx(told[3]["interval"][0])


def test_classes__in_order(
    curate: Curate, open_store: Callable[..., VectorStore], pictures: Pictures
) -> None:
    """The weakest first, or who needs most; what was not measured last."""
    mixed = np.random.default_rng(0).normal(size=(24, pictures.dimension))
    with open_store() as store:
        fill(store, pictures, ant=24)
        store.add(
            [
                pictures.embedded(f"mixed-{n}", "bee" if n % 2 else "wasp", vector=vector)
                for n, vector in enumerate(mixed)
            ]
        )
        store.add([pictures.embedded("odd", "odd")])
    told = [json.loads(line) for line in curate("classes", "--json")[1].splitlines()]
    recalls = [one["recall"] for one in told]
    assert recalls[-1] is None
    assert recalls[:-1] == sorted(recalls[:-1])
    told = [
        json.loads(line) for line in curate("classes", "--json", "--sort", "needs")[1].splitlines()
    ]
    needs = [one["needs"] or 0 for one in told]
    assert needs == sorted(needs, reverse=True)
    assert needs[0] > 0


def test_classes__through_a_service(curate: Curate, store: VectorStore, pictures: Pictures) -> None:
    """A service that owns the gallery gives the same lines."""
    fill(store, pictures, ant=12, bee=12)
    with running(store) as service:
        code, through, _ = curate("classes", "--json", "--server", service.url)
    store.close()
    assert code == 0
    assert len(through.splitlines()) == 2
    assert curate("classes", "--json")[1] == through


def test_classes__of_nothing(
    curate: Curate, open_store: Callable[..., VectorStore], pictures: Pictures, tmp_path: Path
) -> None:
    """No gallery, an empty one, one class, a folder that is not there: a word and what to do."""
    assert "does not exist yet" in curate("classes")[2]
    with open_store():
        pass
    code, _, err = curate("classes")
    assert (code, "holds no references" in err) == (1, True)
    with open_store() as store:
        fill(store, pictures, ant=3)
    code, out, err = curate("classes")
    assert (code, out, "one class only ('ant')" in err) == (1, "", True)
    code, _, err = curate("classes", "--csv", tmp_path / "nowhere" / "x.csv")
    assert (code, "there is no folder" in err) == (2, True)
