"""Counts by value in the embedded store, which are kept between changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from holotype.references import Where
from holotype.store.edge import points
from holotype.store.edge.points import EdgePoints
from holotype.store.port import VectorStore
from tests.holotype.store.worker import open_home
from tests.references import Pictures, picture_id

NORTH = Where.parse(["site=north"])


def test_counts__follow_every_change(pictures: Pictures, tmp_path: Path) -> None:
    """Adding, relabelling and removing are seen at once, with and without a filter."""
    with open_home(str(tmp_path)) as store:
        store.add([pictures.embedded(f"bee-{n}", "bee", meta={"site": "north"}) for n in range(3)])
        assert _both(store) == ({"bee": 3}, {"bee": 3})

        store.add([pictures.embedded("ant-0", "ant", meta={"site": "south"})])
        assert _both(store) == ({"bee": 3, "ant": 1}, {"bee": 3})

        store.relabel("wasp", ids=[picture_id("bee-1")])
        assert _both(store) == ({"bee": 2, "ant": 1, "wasp": 1}, {"bee": 2, "wasp": 1})

        store.remove(where=Where.equal("label", "bee"))
        assert _both(store) == ({"ant": 1, "wasp": 1}, {"wasp": 1})


def test_counts__belong_to_the_caller(pictures: Pictures, tmp_path: Path) -> None:
    """What a caller does to its counts is not seen by the next one."""
    with open_home(str(tmp_path)) as store:
        store.add(pictures.many("bee", 2))
        store.counts()["bee"] = 0

        assert store.counts() == {"bee": 2}


def test_counts__more_filters_than_are_kept(
    pictures: Pictures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any number of filters is answered; only so many answers are kept."""
    monkeypatch.setattr(points, "KEPT_COUNTS", 2)
    with open_home(str(tmp_path)) as store:
        store.add([pictures.embedded(f"bee-{n}", "bee", group=f"g{n}") for n in range(5)])

        found = [store.counts(where=Where.equal("group", f"g{n % 5}")) for n in range(10)]

        assert found == [{"bee": 1}] * 10
        assert isinstance(store._references, EdgePoints)
        assert len(store._references._kept) <= 2


def _both(store: VectorStore) -> tuple[dict[str, int], dict[str, int]]:
    return store.counts(), store.counts(where=NORTH)
