"""How much of the past is kept: by age, by actions, by removed references and by their bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from holotype.errors import UndoError
from holotype.fingerprint import Fingerprint
from holotype.history import Limits
from holotype.store import recording
from holotype.store.edge.store import EdgeStore
from tests.references import Pictures, picture_id

Opened = Callable[[Limits], EdgeStore]
DAY_NS = 86_400_000_000_000


@pytest.fixture
def opened(tmp_path: Path, fingerprint: Fingerprint) -> Opened:
    """Opens the gallery, with bounds."""

    def open_it(history: Limits) -> EdgeStore:
        return EdgeStore.open(
            tmp_path,
            "default",
            fingerprint=fingerprint,
            command="a test",
            create=True,
            history=history,
        )

    return open_it


def ids(*numbers: int) -> list[str]:
    """Of references called by these numbers."""
    return [picture_id(f"wasp-{n}") for n in numbers]


def kinds(store: EdgeStore) -> list[str]:
    """Of the actions that are remembered, the newest first."""
    return [entry.action.kind for entry in store.history()]


def test_actions__the_oldest_are_forgotten(opened: Opened, pictures: Pictures) -> None:
    """Three are kept: what was removed by a fourth before cannot come back."""
    with opened(Limits(actions=3)) as store:
        store.add(pictures.many("wasp", 6))
        store.remove(ids=ids(0))
        first = store.history(limit=1)[0].action.id
        for n in (1, 2, 3):
            store.remove(ids=ids(n))
        assert kinds(store) == ["remove"] * 3
        with pytest.raises(UndoError, match=f"no action '{first}' is in the history"):
            store.undo(first)
        store.undo(store.history()[-1].action.id)
        assert sorted(store.existing(ids(*range(6)))) == sorted(ids(1, 4, 5))


def test_days__what_is_older_is_forgotten(
    opened: Opened, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the time of the last step; what was done today stays."""
    now = time.time_ns()
    with opened(Limits(days=2)) as store:
        store.add(pictures.many("wasp", 3))
        store.remove(ids=ids(0))
        monkeypatch.setattr(recording.time, "time_ns", lambda: now + DAY_NS)
        store.remove(ids=ids(1))
        assert kinds(store) == ["remove", "remove", "add"]
        monkeypatch.setattr(recording.time, "time_ns", lambda: now + 4 * DAY_NS)
        store.remove(ids=ids(2))
        assert kinds(store) == ["remove"]


def test_removed__beyond_the_bound_the_event_alone_is_kept(
    opened: Opened, pictures: Pictures
) -> None:
    """The newest that fit can come back; the others are told, and refused with the reason."""
    with opened(Limits(removed=3)) as store:
        store.add(pictures.many("wasp", 9))
        store.remove(ids=ids(0, 1))
        store.remove(ids=ids(2, 3))
        newest, older = (entry.action.id for entry in store.history(limit=2))
        with pytest.raises(UndoError, match="cannot be undone"):
            store.undo(older)
        assert store.undo(newest).restored == 2
        store.remove(ids=ids(2, 3, 4, 5))  # more at once than is kept at all
        with pytest.raises(UndoError, match="cannot be undone"):
            store.undo(store.history(limit=1)[0].action.id)
        assert store.count() == 3


def test_megabytes__of_what_was_removed(opened: Opened, pictures: Pictures) -> None:
    """Two references with half a megabyte of thumbnail each do not both fit into one."""
    large = [replace(one, thumbnail=bytes(600_000)) for one in pictures.many("wasp", 2)]
    with opened(Limits(megabytes=1)) as store:
        store.add(large)
        store.remove(ids=ids(0))
        store.remove(ids=ids(1))
        newest, older = (entry.action.id for entry in store.history(limit=2))
        with pytest.raises(UndoError, match="cannot be undone"):
            store.undo(older)
        assert store.undo(newest).restored == 1


@pytest.mark.parametrize("change", ["relabel", "regroup", "dismiss", "add"])
def test_every_kind_of_change_forgets_in_the_end(
    opened: Opened, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A gallery that is only ever relabelled, say, does not keep all of it for ever."""
    monkeypatch.setattr(recording, "_CHANGES_BETWEEN", 4)
    with opened(Limits(actions=3)) as store:
        store.add(pictures.many("wasp", 1))
        for n in range(12):
            match change:
                case "relabel":
                    store.relabel(f"wasp {n}", ids=ids(0))
                case "regroup":
                    store.regroup(f"group {n}", ids=ids(0))
                case "dismiss":
                    store.dismiss({ids(0)[0]: f"mark {n}"})
                case _:
                    store.add(pictures.many("wasp", 1, first=n))
        assert len(store.history()) <= 3 + 4


def test_none__nothing_is_written_down(opened: Opened, pictures: Pictures) -> None:
    """With 0 days there is no history, and no undo."""
    with opened(Limits(days=0)) as store:
        store.add(pictures.many("wasp", 2))
        store.relabel("bee", ids=ids(0))
        store.remove(ids=ids(1))
        assert store.history() == []
        assert store.counts() == {"bee": 1}
